// Points in time and durations of the core: the type of the monotonic clock, which the core itself
// never reads. A Time's count is nanoseconds of CLOCK_MONOTONIC, as in every message on the wire.
#pragma once

#include <chrono>
#include <cstdint>

namespace handoff::supervisor {

using Time = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
using Duration = std::chrono::nanoseconds;

inline Time time_from_ns(std::uint64_t ns) { return Time(Duration(static_cast<std::int64_t>(ns))); }
inline std::int64_t to_us(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

// The deadlines of one handoff, and of starting and stopping.
struct Timeouts {
  Duration start = std::chrono::seconds(10);  // until ready, or until it owns
  Duration freeze_budget = std::chrono::milliseconds(250);
  Duration stall = std::chrono::seconds(10);      // silence after which a peer counts as hung
  Duration drain = std::chrono::seconds(30);      // from the switch, or from `stop`, to SIGTERM
  Duration probation = std::chrono::seconds(30);  // of a new release, from the switch
  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};

}  // namespace handoff::supervisor
