// The time until which a test waits for an event that must happen.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace handoff::test {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  static Deadline in(Clock::duration time) { return Deadline(Clock::now() + time); }
  // For anything that takes a moment on an idle machine: 60 s are enough for a sanitizer's build on
  // a busy one, and no test waits that long on purpose.
  static Deadline patience() { return in(std::chrono::seconds(60)); }

  Clock::time_point at() const { return at_; }
  bool passed() const { return Clock::now() >= at_; }
  // The time that is left, for poll(2) and epoll_wait(2): never negative, and rounded up.
  int milliseconds() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30));
  }

 private:
  explicit Deadline(Clock::time_point at) : at_(at) {}
  Clock::time_point at_;
};

// Polls one fd for reading; false at the deadline.
bool readable(int fd, Deadline deadline = Deadline::patience());

}  // namespace handoff::test
