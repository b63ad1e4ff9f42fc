// The line service with several lanes, each a poll(2) loop on a thread of its own: it counts the
// lines of each connection and answers "<count> <line>"; to "who" it answers "<count>
// <version>.<lane>".
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
  // Bytes behind the count in each session's state; who restores others refuses.
  std::size_t padding = 0;
  // Called with the service before start(): for what a test wants to be different.
  std::function<void(Service&)> adjust = {};
  // Each with the lane, on its thread. What they throw fails the handoff.
  std::function<void(std::uint32_t)> on_save = {};
  std::function<void(std::uint32_t)> on_restore = {};
  std::function<void(std::uint32_t)> on_freeze = {};
  std::function<void(std::uint32_t)> on_thaw = {};
  // For a line of this name.
  std::function<void(std::uint32_t)> on_hang = {};
};

// Runs until all lanes are retired or stopped. The exit status: 0, or 3 if the handoff to it
// failed.
int run_lane_service(const LaneServiceOptions& options);

}  // namespace handoff::test
