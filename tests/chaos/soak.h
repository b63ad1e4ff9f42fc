// Many upgrades in a row, back and forth between two releases, on busy connections: no byte may be
// wrong, and what the last of them leave must be what the first of them left.
#pragma once

#include <cstddef>

#include "cell.h"

namespace chaos {

struct SoakOptions {
  Service service = Service::kEcho;
  std::size_t upgrades = 1000, sessions = 200;
  // Each connection carries large requests and large replies, all the time. That takes all that the
  // host has, so an upgrade that runs out of time is counted and tried again.
  bool full = false;
};

// True if nothing was lost and nothing has grown; prints how it goes.
bool soak(const SoakOptions& options);

}  // namespace chaos
