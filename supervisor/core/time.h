// Points in time and durations of the core: the type of the monotonic clock, which the core itself
// never reads. A Time's count is nanoseconds of CLOCK_MONOTONIC, as in every message on the wire.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace handoff::supervisor {

using Time = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
using Duration = std::chrono::nanoseconds;

inline Time time_from_ns(std::uint64_t ns) { return Time(Duration(static_cast<std::int64_t>(ns))); }
inline std::uint64_t to_ns(Time time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count());
}
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

// Deadlines that somebody has given for one request, or for one run.
struct GivenTimeouts {
  std::optional<Duration> start;
  std::optional<Duration> freeze_budget;
  std::optional<Duration> stall;
  std::optional<Duration> drain;
  std::optional<Duration> probation;

  // base where nothing was given.
  Timeouts over(const Timeouts& base) const {
    return {.start = start.value_or(base.start),
            .freeze_budget = freeze_budget.value_or(base.freeze_budget),
            .stall = stall.value_or(base.stall),
            .drain = drain.value_or(base.drain),
            .probation = probation.value_or(base.probation)};
  }
};

}  // namespace handoff::supervisor
