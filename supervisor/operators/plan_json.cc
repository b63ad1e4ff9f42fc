#include "supervisor/operators/plan_json.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}
json or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }
json or_null(std::uint32_t version) { return version == 0 ? json(nullptr) : json(version); }

json listeners(const std::vector<Plan::Listener>& all) {
  json out = json::array();
  for (const auto& listener : all) {
    out.push_back(
        {{"name", listener.name}, {"address", listener.address}, {"held", listener.held}});
  }
  return out;
}

json state_json(const Plan::State& state) {
  return {{"kind", state.name},
          {"section", state.section},
          {"region", state.region},
          {"claimed", state.claimed},
          {"from", or_null(state.from)},
          {"travels", or_null(state.travels)},
          {"to", or_null(state.to)},
          {"old_converts", or_null(state.old_converts)},
          {"new_converts", or_null(state.new_converts)}};
}

json switch_json(const Plan& plan) {
  json out{{"estimate", nullptr},
           {"budget", plan.budget_us},
           {"no_estimate", nullptr},
           {"measured", nullptr},
           {"last_upgrade", nullptr}};
  if (plan.last) out["last_upgrade"] = {{"max", plan.last->us}, {"sessions", plan.last->sessions}};
  if (!plan.no_estimate.empty()) out["no_estimate"] = plan.no_estimate;
  if (!plan.switching) return out;
  const Plan::Switch& by = *plan.switching;
  out["estimate"] = by.us;
  out["measured"] = {{"saved", by.saved},
                     {"save_ns", by.save_ns},
                     {"restored", by.restored},
                     {"restore_ns", by.restore_ns},
                     {"finish_ns", by.finish_ns},
                     {"round_trip_ns", by.round_trip_ns},
                     {"sections_ns", by.sections_ns}};
  return out;
}

}  // namespace

json plan_json(const std::string& service, const Plan& plan, const Report& report,
               const Party& from, const Party& to) {
  json states = json::array();
  for (const Plan::State& state : plan.states) states.push_back(state_json(state));
  json examples = json::array();
  for (const Plan::Example& example : plan.examples) {
    examples.push_back({{"session", example.session},
                        {"peer", or_null(example.peer)},
                        {"what", example.what},
                        {"fault", example.by_new ? "new" : "old"},
                        {"reason", example.reason}});
  }
  json amounts = json::array();
  for (const protocol::Amount& amount : plan.amounts) {
    amounts.push_back({{"kind", amount.name},
                       {"section", amount.section},
                       {"region", amount.region},
                       {"count", amount.count},
                       {"bytes", amount.bytes}});
  }
  json elsewhere = json::array();
  for (const Elsewhere& one : plan.elsewhere) {
    elsewhere.push_back(
        {{"name", one.name}, {"address", one.address}, {"configured", one.configured}});
  }
  json left_out = json::array();
  for (const Plan::Left& left : plan.left) left_out.push_back(left_out_json(left.what, left.fate));
  json problems = json::array();
  for (const Plan::Problem& problem : plan.problems) {
    problems.push_back({{"code", problem.code}, {"message", problem.text}});
  }
  return {{"event", "done"},
          {"result", plan.problems.empty() ? "done" : "failed"},
          {"service", service},
          {"rehearsal", true},
          {"tried", plan.tried},
          {"from", party_json(from)},
          {"to", party_json(to)},
          {"states", std::move(states)},
          {"listeners",
           {{"matched", listeners(plan.matched)},
            {"missing", listeners(plan.missing)},
            {"extra", listeners(plan.extra)},
            {"elsewhere", std::move(elsewhere)}}},
          {"left_out", std::move(left_out)},
          {"sessions",
           {{"move", plan.move},
            {"untried", plan.untried},
            {"wait", plan.wait},
            {"refused", plan.refused},
            {"too_large", plan.too_large},
            {"stay", plan.stay},
            {"close", plan.close},
            {"staying", staying_json(plan.staying)},
            {"examples", std::move(examples)}}},
          {"bytes",
           {{"sessions", plan.session_bytes},
            {"sections", plan.section_bytes},
            {"regions", plan.region_bytes},
            {"kinds", std::move(amounts)}}},
          {"phases_us", {{"start", to_us(report.start)}, {"copy", to_us(report.copy)}}},
          {"blackout_us", switch_json(plan)},
          {"memory",
           {{"needed", or_null(plan.needed_memory)},
            {"guessed", plan.memory_guessed},
            {"free", or_null(plan.free_memory)},
            {"free_of", or_null(plan.free_memory_of)}}},
          {"way_back",
           {{"possible", or_null(plan.way_back)},
            {"to", or_null(plan.back_to)},
            {"against", plan.no_way_back},
            {"once_rewritten", plan.once_rewritten},
            {"one_way", or_null(report.one_way)}}},
          {"problems", problems},
          {"sentence", plan.sentence},
          {"error", problems.empty() ? json(nullptr) : problems.front()}};
}

json plan_record(const json& plan) {
  json out{{"event", "planned"}};
  for (const char* key :
       {"result", "service", "from", "to", "sessions", "left_out", "sentence", "error"}) {
    if (plan.contains(key)) out[key] = plan.at(key);
  }
  if (out.contains("sessions")) out["sessions"].erase("examples");
  return out;
}

}  // namespace handoff::supervisor
