// A service as a runtime has it whose sessions are processes: each connection has a thread of its
// own, which alone knows the session's state. It counts lines and answers "<count> <line>"; a line
// "work" ends when the test says so. The library's thread accepts and dispatches, and nothing more.
#pragma once

#include <functional>
#include <string>

#include "handoff/handoff.hpp"

namespace handoff::test {

struct LaterServiceOptions {
  std::string version = "1";
  bool keeps = true;      // has the callbacks of sessions that are held
  bool snapshots = true;  // each line is put at once; else its kind has none
  bool restores_early = true;
  // Held from its beginning to a line "release".
  std::function<bool(SessionId)> holds = {};
  std::string fifo;  // a line "work" waits until this is opened for writing
  // What a restore answers, and whether it does; by the session's thread.
  std::function<int(SessionId)> restored = {};
  // What is said once all sessions that can rest are at rest. None: nothing is said.
  bool says_frozen = true;
  int frozen = 0;
  bool hasty = false;  // it is said before anybody has come to rest
  std::function<void(Service&)> adjust = {};
};

// Runs until the service is retired or stopped. Returns the exit status: 0, or 3 in an heir whose
// handoff failed.
int run_later_service(const LaterServiceOptions& options);

// A restore that is never answered.
inline constexpr int kNoAnswer = 12345;

}  // namespace handoff::test
