// A small real service for the library's tests, on handoff.hpp and poll(2), without libuv: it
// counts the lines of each connection and answers "<count> <line>". It has one of each kind of fd:
// TCP v4 and v6 and Unix listeners, a UDP socket, a plain file.
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
  // Called with the service before ready(): for what a test wants to be different.
  std::function<void(Service&)> adjust = {};
  // Called once it owns everything.
  std::function<void(Service&)> on_ready = {};
  // What is answered to a line, if it is not "<count> <line>"; without the '\n'.
  std::function<std::optional<std::string>(const std::string& line)> answer = {};
  // In place of a session's state.
  std::function<std::string(SessionId)> save = {};
  // The same with the lines it has counted, from which the state begins; who restores one that is
  // another refuses.
  std::function<std::string(SessionId, std::uint64_t lines)> pads_state = {};
  std::function<void(SessionId)> on_restore = {};
  // Sessions are held from a line "hold" to a line "release"; "who" is answered with the version.
  bool holds = false;
  std::function<void(SessionId)> on_freeze_session = {};
  std::function<void(SessionId)> on_thaw_session = {};
};

// Runs until it is retired or stopped. The exit status: 0, or 3 if the handoff to it failed.
int run_line_service(const LineServiceOptions& options);

}  // namespace handoff::test
