// `handoff upgrade`, `restart` and `rollback`: each is a handoff, told the same way.
#include <unistd.h>

#include <iostream>

#include "supervisor/base/json_read.h"
#include "supervisor/cli/client.h"
#include "supervisor/cli/report.h"
#include "supervisor/cli/terminal.h"
#include "supervisor/releases/release.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

ExitStatus follow(json request, const GivenTimeouts& timeouts, bool as_json) {
  put_timeouts(request, timeouts);
  catch_interrupt();
  const bool live = !as_json && ::isatty(STDOUT_FILENO) == 1;
  const auto event = [as_json, live](const json& what) {
    if (as_json) {
      std::cout << what.dump() << std::endl;
    } else if (text_in(what, "event") == "warning") {
      std::cerr << warning_line(what) << std::endl;
    } else if (live) {
      std::cout << clear_line << phase_line(what) << std::flush;
    } else if (text_in(what, "event") == "phase") {
      std::cout << phase_line(what) << std::endl;
    }
  };
  const Answer answer = ask(request, Duration{}, as_json, event);
  if (live) std::cout << clear_line << std::flush;
  if (answer.failure == ExitStatus::kInterrupted) {
    const auto service = request.at("service").get<std::string>();
    std::cerr << "handoff: no longer following; the handoff goes on in the supervisor (handoff "
                 "status "
              << service << ")" << std::endl;
    return answer.failure;
  }
  if (answer.failure != ExitStatus::kDone) {
    return complain(as_json, answer.failure,
                    answer.failure == ExitStatus::kNoSupervisor ? "no_supervisor" : "failed",
                    answer.message);
  }
  const ExitStatus status = status_of(answer.last);
  if (as_json) {
    std::cout << answer.last.dump() << std::endl;
    return status;
  }
  if (answer.last.value("already", false)) {
    std::cout << text_in(answer.last, "service")
              << " runs what the configuration names; nothing was done" << std::endl;
    return status;
  }
  const bool switched = answer.last.value("to", json()).is_object();
  if (status == ExitStatus::kDone || (status == ExitStatus::kLost && switched)) {
    std::cout << summary(answer.last) << std::flush;
  }
  if (status == ExitStatus::kLost) {
    const bool any = answer.last.value("/sessions/lost"_json_pointer, std::uint64_t{0}) > 0;
    std::cerr << (any ? "handoff: sessions were lost: " : "handoff: sessions may be lost: ")
              << text_in(answer.last.at("error"), "message") << std::endl;
  } else if (status != ExitStatus::kDone) {
    std::cerr << failure(answer.last, request.contains("shares")) << std::flush;
  }
  return status;
}

json of_service(const char* command, const ServiceOptions& options) {
  json request{{"command", command}, {"service", options.service}};
  if (options.ignore_memory) request["ignore_memory"] = true;
  return request;
}

ExitStatus self_command(const UpgradeOptions& options) {
  json request{{"command", "self"}};
  if (options.allow_downgrade) request["allow_downgrade"] = true;
  if (!options.binary.empty()) {
    const auto program = find_program(options.binary);
    if (!program) {
      return complain(options.json, ExitStatus::kFailed, "open", program.error().message);
    }
    request["path"] = *program;
  }
  catch_interrupt();
  const Answer answer = ask(request, Duration{}, options.json);
  if (answer.failure != ExitStatus::kDone) {
    return complain(options.json, answer.failure,
                    answer.failure == ExitStatus::kNoSupervisor ? "no_supervisor" : "failed",
                    answer.message);
  }
  const ExitStatus status = status_of(answer.last);
  if (options.json) {
    std::cout << answer.last.dump() << std::endl;
  } else if (status != ExitStatus::kDone) {
    std::cerr << "handoff: the supervisor goes on as it is: "
              << text_in(answer.last.at("error"), "message") << std::endl;
  } else {
    std::cout << "the supervisor (pid " << answer.last.at("pid") << ") is "
              << text_in(answer.last, "path") << ", version " << text_in(answer.last, "version")
              << ", now\n";
    for (const json& service : answer.last.at("services")) {
      std::cout << "  " << text_in(service, "name") << ": " << text_in(service, "state") << "\n";
    }
    std::cout << std::flush;
  }
  return status;
}

}  // namespace

ExitStatus upgrade_command(const UpgradeOptions& options) {
  if (options.self) return self_command(options);
  json request{{"command", "upgrade"}, {"service", options.service}};
  if (!options.binary.empty()) {
    // The supervisor has another working directory, and perhaps another $PATH.
    const auto program = find_program(options.binary);
    if (!program) {
      return complain(options.json, ExitStatus::kFailed, "open", program.error().message);
    }
    request["path"] = *program;
  }
  if (options.args) request["args"] = *options.args;
  if (options.configured) request["configured"] = true;
  if (options.allow_downgrade) request["allow_downgrade"] = true;
  if (options.ignore_memory) request["ignore_memory"] = true;
  if (options.one_way) request["one_way"] = true;
  if (!options.shares.empty()) {
    request["shares"] = options.shares;
    request["pause_us"] = to_us(options.pause.value_or(std::chrono::seconds(30)));
  }
  return follow(std::move(request), options.timeouts, options.json);
}

ExitStatus rollback_command(const ServiceOptions& options) {
  return follow(of_service("rollback", options), options.timeouts, options.json);
}

ExitStatus restart_command(const ServiceOptions& options) {
  return follow(of_service("restart", options), options.timeouts, options.json);
}

}  // namespace handoff::supervisor
