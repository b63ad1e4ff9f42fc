#include "trial.h"

#include "handoff/handoff.h"
#include "saved_state.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

constexpr const char* kProgram = "handoff";
constexpr int kOldestFormat = 1;

}  // namespace

json trial_json(std::size_t services) {
  return {{"result", "done"},
          {"program", kProgram},
          {"version", HANDOFF_VERSION},
          {"state_formats", {{"from", kOldestFormat}, {"to", SavedState::kFormat}}},
          {"services", services}};
}

std::string trial_problem(const std::string& words) {
  const json said = json::parse(words, nullptr, false);
  const auto is_text = [&said](const char* name) {
    return said.contains(name) && said[name].is_string();
  };
  if (!said.is_object() || !is_text("program") || said["program"] != kProgram ||
      !is_text("version") || said.value("result", json()) != "done") {
    return "does not say that it is a handoff (asked with `run --check --json`)";
  }
  const json formats = said.value("state_formats", json());
  const json from = formats.is_object() ? formats.value("from", json()) : json();
  const json to = formats.is_object() ? formats.value("to", json()) : json();
  if (!from.is_number_integer() || !to.is_number_integer()) {
    return "does not say which state files it reads (asked with `run --check --json`)";
  }
  if (SavedState::kFormat < from.get<int>() || SavedState::kFormat > to.get<int>()) {
    return "is handoff " + said["version"].get<std::string>() +
           ", which reads state files of format " + from.dump() + " to " + to.dump() +
           "; this supervisor writes format " + std::to_string(SavedState::kFormat);
  }
  return "";
}

}  // namespace handoff::supervisor
