// `handoff reload`: what the config says by now, as far as it can be changed while services run.
#include <iostream>

#include "supervisor/base/json_read.h"
#include "supervisor/cli/client.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

std::string line_of(const json& change) {
  const std::string service = text_in(change, "service");  // none: of the supervisor itself
  std::string text = service.empty() ? "  " : "  " + service + ": ";
  if (change.at("key").is_string()) text += change.at("key").get<std::string>() + ": ";
  return text + text_in(change, "message") + "\n";
}

}  // namespace

ExitStatus reload_command(const ServiceOptions& options) {
  const Answer answer = ask({{"command", "reload"}}, Duration{}, options.json);
  if (answer.failure != ExitStatus::kDone) {
    return complain(options.json, answer.failure,
                    answer.failure == ExitStatus::kNoSupervisor ? "no_supervisor" : "failed",
                    answer.message);
  }
  const ExitStatus status = status_of(answer.last);
  if (options.json) {
    std::cout << answer.last.dump() << std::endl;
    return status;
  }
  const bool in_force = answer.last.contains("changed");  // as far as it could be
  if (!in_force) {
    std::cerr << "handoff: " << text_in(answer.last.at("error"), "message") << "\n"
              << "handoff: everything stays as it is" << std::endl;
    return status;
  }
  const json& changed = answer.last.at("changed");
  const json& unchanged = answer.last.at("unchanged");
  std::cout << text_in(answer.last, "path") << " was read again"
            << (changed.empty() && unchanged.empty() ? "; nothing is different" : "") << "\n";
  for (const json& change : changed) std::cout << line_of(change);
  if (!unchanged.empty()) std::cout << "not changed:\n";
  for (const json& change : unchanged) std::cout << line_of(change);
  std::cout << std::flush;
  if (status != ExitStatus::kDone) {
    std::cerr << "handoff: not all of it could be done: "
              << text_in(answer.last.at("error"), "message") << std::endl;
  }
  return status;
}

}  // namespace handoff::supervisor
