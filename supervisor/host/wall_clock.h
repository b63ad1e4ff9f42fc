// The wall clock, for people alone: nothing is decided by it.
#pragma once

#include <chrono>
#include <string>

namespace handoff::supervisor {

// "2025-01-31T12:00:00Z".
std::string utc(std::chrono::system_clock::time_point time);

}  // namespace handoff::supervisor
