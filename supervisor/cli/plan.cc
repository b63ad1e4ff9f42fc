// `handoff plan`: what an upgrade would do. Told like an upgrade while it goes on; who interrupts
// it has it given up, since nobody else waits for its answer.
#include <unistd.h>

#include <iostream>

#include "supervisor/base/json_read.h"
#include "supervisor/cli/client.h"
#include "supervisor/cli/plan_report.h"
#include "supervisor/cli/report.h"
#include "supervisor/cli/terminal.h"
#include "supervisor/releases/release.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

constexpr Duration kDropWithin = std::chrono::seconds(5);

ExitStatus interrupted(const std::string& service) {
  const Answer answer = ask({{"command", "drop_plan"}, {"service", service}}, kDropWithin, false);
  std::cerr << "handoff: "
            << (answer.failure == ExitStatus::kDone
                    ? "the plan was given up; nothing was changed"
                    : "interrupted; the plan ends by itself, and changes nothing")
            << std::endl;
  return ExitStatus::kInterrupted;
}

}  // namespace

ExitStatus plan_command(const PlanOptions& options) {
  json request{{"command", "plan"}, {"service", options.service}};
  if (!options.binary.empty()) {
    // The supervisor has another working directory, and perhaps another $PATH.
    const auto program = find_program(options.binary);
    if (!program) {
      return complain(options.json, ExitStatus::kFailed, "open", program.error().message);
    }
    request["path"] = *program;
  }
  if (options.args) request["args"] = *options.args;
  if (options.allow_downgrade) request["allow_downgrade"] = true;
  if (options.ignore_memory) request["ignore_memory"] = true;
  if (options.one_way) request["one_way"] = true;
  put_timeouts(request, options.timeouts);
  catch_interrupt();
  const bool live = !options.json && ::isatty(STDOUT_FILENO) == 1;
  const Answer answer = ask(request, Duration{}, options.json, [&](const json& event) {
    if (options.json) {
      std::cout << event.dump() << std::endl;
    } else if (text_in(event, "event") == "warning") {
      std::cerr << warning_line(event) << std::endl;
    } else if (live) {
      std::cout << clear_line << phase_line(event) << std::flush;
    }
  });
  if (live) std::cout << clear_line << std::flush;
  if (answer.failure == ExitStatus::kInterrupted) return interrupted(options.service);
  if (answer.failure != ExitStatus::kDone) {
    return complain(options.json, answer.failure,
                    answer.failure == ExitStatus::kNoSupervisor ? "no_supervisor" : "failed",
                    answer.message);
  }
  if (options.json) {
    std::cout << answer.last.dump() << std::endl;
  } else if (answer.last.value("rehearsal", false)) {
    std::cout << plan_report(answer.last) << std::flush;
  } else {
    std::cerr << failure(answer.last) << std::flush;
  }
  return status_of(answer.last);
}

}  // namespace handoff::supervisor
