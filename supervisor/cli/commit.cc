// `handoff commit`: the end of a probation, by word.
#include <iostream>

#include "supervisor/base/json_read.h"
#include "supervisor/cli/client.h"

namespace handoff::supervisor {

namespace {
constexpr Duration kPatience = std::chrono::seconds(10);
}

ExitStatus commit_command(const ServiceOptions& options) {
  const Answer answer =
      ask({{"command", "commit"}, {"service", options.service}}, kPatience, options.json);
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
  if (status != ExitStatus::kDone) {
    std::cerr << "handoff: " << text_in(answer.last.at("error"), "message") << std::endl;
    return status;
  }
  const nlohmann::json& name = answer.last.at("release");
  const std::string release = name.is_string() ? name.get<std::string>() : "that runs";
  std::cout << options.service << ": release " << release
            << (answer.last.value("already", false) ? " was permanent already"
                                                    : " is permanent now")
            << std::endl;
  return status;
}

}  // namespace handoff::supervisor
