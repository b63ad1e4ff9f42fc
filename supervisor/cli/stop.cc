// `handoff stop`.
#include <iostream>

#include "supervisor/base/json_read.h"
#include "supervisor/cli/client.h"

namespace handoff::supervisor {

ExitStatus stop_command(const ServiceOptions& options) {
  catch_interrupt();
  const Answer answer =
      ask({{"command", "stop"}, {"service", options.service}}, Duration{}, options.json);
  if (answer.failure == ExitStatus::kInterrupted) {
    std::cerr << "handoff: no longer waiting; " << options.service
              << " goes on stopping (handoff status)" << std::endl;
    return answer.failure;
  }
  if (answer.failure != ExitStatus::kDone) {
    return complain(options.json, answer.failure, "no_supervisor", answer.message);
  }
  const ExitStatus status = status_of(answer.last);
  if (options.json) {
    std::cout << answer.last.dump() << std::endl;
  } else if (status == ExitStatus::kDone) {
    std::cout << options.service << " has stopped; its listeners stay open. `handoff restart "
              << options.service << "` starts it again." << std::endl;
  } else {
    std::cerr << "handoff: " << text_in(answer.last.at("error"), "message") << std::endl;
  }
  return status;
}

}  // namespace handoff::supervisor
