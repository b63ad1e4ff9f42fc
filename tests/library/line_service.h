// A small real service for the library's tests, on handoff.hpp and poll(2), without libuv. It
// counts the lines of each connection and answers "<count> <line>". It may have one of each kind of
// fd: TCP v4 and v6 and Unix listeners, a UDP socket, a plain file. After a line "needs PID" the
// session needs that process.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "handoff/handoff.hpp"

namespace handoff::test {

struct LineServiceOptions {
  std::string version = "1";
  std::uint32_t state_version = 1;
  bool tracked = true;
  bool independent = false;
  bool all_fds = false;        // also "six", "unix", "udp", "log"
  std::string folder;          // for "unix" and "log"
  bool early_restore = false;  // declares on_update()
  // Called with the service before ready(), so that a test can change it.
  std::function<void(Service&)> adjust = {};
  // Called once the service owns everything.
  std::function<void(Service&)> on_ready = {};
  // Reads each connection until EAGAIN, so that it waits for ever where O_NONBLOCK is gone.
  bool needs_nonblocking = false;
  // Called with each fd, a listener's, too, before a retired service closes it.
  std::function<void(int fd)> before_close = {};
  // The answer to a line, without the '\n'; nothing for "<count> <line>".
  std::function<std::optional<std::string>(const std::string& line)> answer = {};
  // Gives a session's state, in place of the usual one.
  std::function<std::string(SessionId)> save = {};
  // Gives a session's state, which must begin with the number of its lines. A restore refuses any
  // other state than this function gives.
  std::function<std::string(SessionId, std::uint64_t lines)> pads_state = {};
  std::function<void(SessionId)> on_restore = {};
  // Sessions are held from a line "hold" to a line "release"; "who" is answered with the version.
  bool holds = false;
  // From a line "stay" to a line "move" sessions stay with this process: "tls". Where that fails,
  // the answer is why.
  bool stays = false;
  std::function<void(SessionId)> on_freeze_session = {};
  std::function<void(SessionId)> on_thaw_session = {};
};

// Runs until the service is retired or stopped. Returns the exit status: 0, or 3 in an heir whose
// handoff failed.
int run_line_service(const LineServiceOptions& options);

}  // namespace handoff::test
