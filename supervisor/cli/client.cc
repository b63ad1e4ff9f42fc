#include "supervisor/cli/client.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>

#include "libhandoff/base/text.h"
#include "supervisor/base/json_line.h"
#include "supervisor/base/json_read.h"
#include "supervisor/host/runtime_dir.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

volatile std::sig_atomic_t interrupted = 0;

bool send_all(int fd, const std::string& text) {
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t n = ::send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR && interrupted == 0) continue;
    if (n < 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

// What people are shown of an answer: each text on one line.
json shown(json answer) {
  if (answer.is_string()) return printable(answer.get_ref<const std::string&>());
  if (answer.is_structured()) {
    for (json& part : answer) part = shown(std::move(part));
  }
  return answer;
}

bool is_last(const json& line) { return text_in(line, "event", "done") == "done"; }

}  // namespace

void catch_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };  // no SA_RESTART: recv() is to return
  (void)::sigaction(SIGINT, &action, nullptr);
}

Answer ask(const json& request, Duration timeout, bool as_json,
           const std::function<void(const json&)>& event) {
  const auto runtime = runtime_path();
  if (!runtime) return {{}, ExitStatus::kNoSupervisor, runtime.error().message};
  const auto fd = connect_control(*runtime);
  if (!fd) return {{}, ExitStatus::kNoSupervisor, fd.error().message};
  const auto us = to_us(timeout);
  const timeval limit{us / 1000000, us % 1000000};
  (void)::setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (!send_all(fd->get(), request.dump() + "\n")) {
    return {{},
            ExitStatus::kNoSupervisor,
            std::string("the supervisor takes no request: ") + std::strerror(errno)};
  }
  std::string buffer;
  std::array<char, 16384> chunk;
  for (;;) {
    if (const std::size_t end = buffer.find('\n'); end != std::string::npos) {
      json line = json::parse(buffer.substr(0, end), nullptr, false);
      buffer.erase(0, end + 1);
      if (!line.is_object()) {
        return {{}, ExitStatus::kFailed, "the supervisor's answer is no JSON object"};
      }
      if (!as_json) line = shown(std::move(line));
      if (is_last(line)) return {std::move(line), ExitStatus::kDone, ""};
      if (event) event(line);
      continue;
    }
    const ssize_t n = ::recv(fd->get(), chunk.data(), chunk.size(), 0);
    if (n > 0) {
      buffer.append(chunk.data(), static_cast<std::size_t>(n));
    } else if (n == 0) {
      return {{},
              ExitStatus::kNoSupervisor,
              "the supervisor went away before it had answered; services outlive it"};
    } else if (interrupted != 0) {
      return {{}, ExitStatus::kInterrupted, "interrupted"};
    } else if (errno == EAGAIN) {
      return {{}, ExitStatus::kFailed, "the supervisor does not answer"};
    } else if (errno != EINTR) {
      return {{},
              ExitStatus::kNoSupervisor,
              std::string("the control socket: ") + std::strerror(errno)};
    }
  }
}

ExitStatus complain(bool as_json, ExitStatus status, const std::string& code,
                    const std::string& message) {
  if (as_json) {
    std::cout << json_line({{"event", "done"},
                            {"result", "failed"},
                            {"error", {{"code", code}, {"message", message}}}})
              << std::endl;
  } else {
    std::cerr << "handoff: " << printable(message) << std::endl;
  }
  return status;
}

ExitStatus status_of(const json& answer) {
  const std::string result = text_in(answer, "result", "done");
  if (result == "done") return ExitStatus::kDone;
  if (result == "lost") return ExitStatus::kLost;
  if (!answer.contains("error") || !answer["error"].is_object()) return ExitStatus::kFailed;
  const std::string code = text_in(answer["error"], "code");
  return code == "no_service" ? ExitStatus::kNoService
         : code == "crowded"  ? ExitStatus::kCrowded
                              : ExitStatus::kFailed;
}

void put_timeouts(json& request, const GivenTimeouts& timeouts) {
  const auto put = [&request](const char* name, const std::optional<Duration>& value) {
    if (value) request[name] = to_us(*value);
  };
  put("start_timeout_us", timeouts.start);
  put("freeze_budget_us", timeouts.freeze_budget);
  put("stall_timeout_us", timeouts.stall);
  put("drain_us", timeouts.drain);
  put("probation_us", timeouts.probation);
}

}  // namespace handoff::supervisor
