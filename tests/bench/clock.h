// The one clock of all measurements: CLOCK_MONOTONIC, the same in every process of the host.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <thread>

namespace bench {

inline std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// Waits while something is measured: the time itself is wanted, so no event can replace it.
inline void rest(std::uint64_t ns) { std::this_thread::sleep_for(std::chrono::nanoseconds(ns)); }

}  // namespace bench
