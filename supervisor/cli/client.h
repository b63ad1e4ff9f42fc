// The operator's side of the control socket: one request, events until the last one.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "supervisor/cli/exit_status.h"
#include "supervisor/cli/options.h"

namespace handoff::supervisor {

struct Answer {
  nlohmann::json last;                     // null if there was none
  ExitStatus failure = ExitStatus::kDone;  // why there was none
  std::string message;
};

// event is called for all but the last one. timeout: for each line; zero waits for ever. as_json:
// the answer is for a program, as it is; else its texts are printable() and on one line.
Answer ask(const nlohmann::json& request, Duration timeout, bool as_json,
           const std::function<void(const nlohmann::json&)>& event = {});

// Prints the error (as JSON on stdout, too, if asked for) and passes its status on.
ExitStatus complain(bool json, ExitStatus status, const std::string& code,
                    const std::string& message);
// What an answer without events comes down to: status of "result" and "error".
ExitStatus status_of(const nlohmann::json& answer);

void put_timeouts(nlohmann::json& request, const GivenTimeouts& timeouts);

// Makes Ctrl-C end ask() with kInterrupted instead of ending the program.
void catch_interrupt();

}  // namespace handoff::supervisor
