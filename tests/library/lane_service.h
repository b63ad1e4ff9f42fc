// The line service with several lanes, each a poll(2) loop on a thread of its own. It counts the
// lines of each connection and answers "<count> <line>"; "who" is answered by "<count>
// <version>.<lane>". A callback on another thread than its lane's ends the process.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "handoff/handoff.hpp"

namespace handoff::test {

struct LaneServiceOptions {
  std::uint32_t lanes = 2;
  std::string version = "1";
  bool tracked = true;
  bool independent = false;
  bool early_restore = false;  // declares on_update()
  // "hold" and "release" hold and release the connection that says so; "hold 5" holds it for 5 ms.
  bool holds = false;
  // Its states are put, freeze() and restore() answer HANDOFF_LATER. A connection that says "work"
  // does not come to rest before it says "done".
  bool rests = false;
  // With it: whether a restore is answered.
  std::function<bool(SessionId)> answers = {};
  // So many bytes follow the count in each session's state; a restore refuses another number.
  std::size_t padding = 0;
  // Called with the service before start(), so that a test can change it.
  std::function<void(Service&)> adjust = {};
  // Called with the lane, on its thread. An exception fails the handoff.
  std::function<void(std::uint32_t)> on_save = {};
  std::function<void(std::uint32_t)> on_restore = {};
  // A session that a restore is to refuse.
  std::function<bool(SessionId)> refuses = {};
  std::function<void(std::uint32_t)> on_freeze = {};
  std::function<void(std::uint32_t)> on_thaw = {};
  std::function<void(std::uint32_t)> on_late = {};
  std::function<void(std::uint32_t)> on_freeze_session = {};
  std::function<void(std::uint32_t)> on_thaw_session = {};
  // Called for a line "hang".
  std::function<void(std::uint32_t)> on_hang = {};
};

// Runs until all lanes are retired or stopped. Returns the exit status: 0, or 3 in an heir whose
// handoff failed.
int run_lane_service(const LaneServiceOptions& options);

}  // namespace handoff::test
