#include "supervisor/self/trial.h"

#include "handoff/handoff.h"
#include "supervisor/host/saved_state.h"

namespace handoff::supervisor {

using nlohmann::json;

json trial_json(std::size_t services, const std::vector<std::string>& problems) {
  return {{"result", "done"},
          {"program", kProgram},
          {"version", HANDOFF_VERSION},
          {"state_formats", {{"from", SavedState::kOldestFormat}, {"to", SavedState::kFormat}}},
          {"takes_state", true},
          {"services", services},
          {"problems", problems}};
}

std::string trial_problem(const std::string& words) {
  const json said = json::parse(words, nullptr, false);
  const auto is_text = [&said](const char* name) {
    return said.contains(name) && said[name].is_string();
  };
  if (!said.is_object() || !is_text("program") || said["program"] != kProgram ||
      !is_text("version") || said.value("result", json()) != "done") {
    return "does not say that it is a handoff (asked with `run --check`)";
  }
  const json formats = said.value("state_formats", json());
  const json from = formats.is_object() ? formats.value("from", json()) : json();
  const json to = formats.is_object() ? formats.value("to", json()) : json();
  if (!from.is_number_integer() || !to.is_number_integer()) {
    return "does not say which state files it reads (asked with `run --check`)";
  }
  if (SavedState::kFormat < from.get<std::int64_t>() ||
      SavedState::kFormat > to.get<std::int64_t>()) {
    return "is handoff " + said["version"].get<std::string>() +
           ", which reads state files of format " + from.dump() + " to " + to.dump() +
           "; this supervisor writes format " + std::to_string(SavedState::kFormat);
  }
  return "";
}

bool takes_state(const std::string& words) {
  const json said = json::parse(words, nullptr, false);
  return said.is_object() && said.value("takes_state", json()) == true;
}

}  // namespace handoff::supervisor
