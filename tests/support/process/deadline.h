// Until when a test waits for something that must happen. Waiting itself is always for an event.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace handoff::test {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  static Deadline in(Clock::duration time) { return Deadline(Clock::now() + time); }
  // For whatever takes a moment on an idle machine. No test waits as long as this on purpose, so
  // the time is that of a sanitizer's build on a busy machine.
  static Deadline patience() { return in(std::chrono::seconds(60)); }

  Clock::time_point at() const { return at_; }
  bool passed() const { return Clock::now() >= at_; }
  // For poll(2) and epoll_wait(2): never negative, and not 0 before it has passed.
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
