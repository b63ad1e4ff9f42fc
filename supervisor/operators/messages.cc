#include "supervisor/operators/messages.h"

namespace handoff::supervisor {

using nlohmann::json;

json party_json(const Party& party) {
  if (party.generation == 0) return nullptr;
  json out{{"release", nullptr},
           {"generation", party.generation},
           {"pid", nullptr},
           {"digest", party.digest},
           {"path", party.path}};
  if (!party.release.empty()) out["release"] = party.release;
  if (party.pid > 0) out["pid"] = party.pid;
  return out;
}

json announce_json(const std::string& service, const Announce& announce, Duration elapsed) {
  return {{"event", announce.begins ? "phase" : "progress"},
          {"service", service},
          {"phase", announce.phase},
          {"sessions", {{"sent", announce.sessions_sent}, {"total", announce.sessions_total}}},
          {"bytes", announce.bytes},
          {"elapsed_us", to_us(elapsed)}};
}

json unmoved_json(const std::vector<Unmoved>& unmoved) {
  json out = json::array();
  for (const Unmoved& one : unmoved) {
    out.push_back({{"session", one.session},
                   {"peer", one.peer.empty() ? json(nullptr) : json(one.peer)},
                   {"fault", one.by_new ? "new" : "old"},
                   {"reason", one.reason}});
  }
  return out;
}

json staying_json(const std::vector<core::Staying>& staying) {
  json out = json::array();
  for (const core::Staying& one : staying) {
    out.push_back({{"why", one.why}, {"sessions", one.sessions}});
  }
  return out;
}

json report_json(const std::string& service, const Report& report, const Party& from,
                 const Party& to) {
  const char* result = report.result == Report::Result::kDone     ? "done"
                       : report.result == Report::Result::kFailed ? "failed"
                                                                  : "lost";
  json out{{"event", "done"},
           {"result", result},
           {"service", service},
           {"from", party_json(from)},
           {"to", party_json(to)},
           {"fresh", report.fresh},
           {"sessions",
            {{"moved", report.moved},
             {"waiting", report.waiting},
             {"lost", report.lost},
             {"lost_ids", report.lost_ids},
             {"unmovable", report.unmovable},
             {"closed", report.closed},
             {"unmoved", unmoved_json(report.unmoved)},
             {"staying", staying_json(report.staying)}}},
           {"bytes", report.bytes},
           {"phases_us",
            {{"open", to_us(report.open)},
             {"start", to_us(report.start)},
             {"copy", to_us(report.copy)},
             {"switch", to_us(report.switched)},
             {"retire", to_us(report.retire)},
             {"transfer", to_us(report.transfer)},
             {"first_turn", to_us(report.first_turn)}}},
           {"at_ns",
            {{"frozen", report.frozen.time_since_epoch().count()},
             {"running", report.running.time_since_epoch().count()}}},
           {"blackout_us",
            {{"p50", report.blackout.p50_us},
             {"p99", report.blackout.p99_us},
             {"p999", report.blackout.p999_us},
             {"max", report.blackout.max_us}}},
           {"left_out", json::array()},
           {"one_way", nullptr},
           {"slow", nullptr},
           {"error", nullptr}};
  if (!report.one_way.empty()) out["one_way"] = report.one_way;
  if (!report.slow.empty()) out["slow"] = report.slow;
  if (!report.code.empty()) {
    out["error"] = {{"code", report.code}, {"message", report.message}, {"failed", nullptr}};
    if (report.failed != Report::Failed::kNone) {
      out["error"]["failed"] = report.failed == Report::Failed::kOld ? "old" : "new";
    }
  }
  return out;
}

json left_out_json(const core::LeftOut& one, Fate fate) {
  static constexpr const char* kSorts[] = {"listener", "fd", "section", "region", "sessions"};
  json out{{"sort", kSorts[static_cast<std::size_t>(one.sort)]},
           {"name", one.name},
           {"becomes", name(fate)}};
  if (one.sort == core::Sort::kSessions) out["sessions"] = one.sessions;
  return out;
}

json warning_json(const std::string& service, const std::string& code, const std::string& message) {
  json out = announce_json(service, {.phase = "start"}, {});
  out.update({{"event", "warning"}, {"code", code}, {"message", message}});
  return out;
}

json refusal_json(const std::string& service, const std::string& code, const std::string& message) {
  return {{"event", "done"},
          {"result", "failed"},
          {"service", service},
          {"error", {{"code", code}, {"message", message}}}};
}

}  // namespace handoff::supervisor
