// Processes that start take their turn: a few at once, the next ones when those are up. A start
// costs milliseconds of a processor. If many services started at once, each would take as long as
// all of them together, and whoever asks for anything meanwhile would wait behind all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "supervisor/loop/handles.h"

namespace handoff::supervisor {

class StartQueue {
 public:
  // Kept until the process is up, or has ended.
  using Place = std::shared_ptr<void>;
  // Then the next one starts all the same: a process that hangs while it starts holds up nobody.
  // Several times what a start takes, and 200 that hang are all started within 2 s.
  static constexpr Duration kHold = std::chrono::milliseconds(25);
  // One that starts, and one that waits for a disk or for its donor.
  static constexpr std::size_t kPerProcessor = 2;
  static std::size_t places_here();

  // places: how many start at once.
  explicit StartQueue(uv_loop_t* loop, std::size_t places = places_here());
  // begin is called once: within this call if there is a place, else in a later turn of the loop.
  // begin may call wait() again, and is not called any more when the queue has gone.
  void wait(std::function<void(Place)> begin);

 private:
  void next();
  Place take();

  std::size_t places_;
  std::map<std::uint64_t, Time> taken_;  // until when
  std::deque<std::function<void(Place)>> waiting_;
  std::uint64_t last_ = 0;
  std::shared_ptr<bool> here_ = std::make_shared<bool>(true);  // for a place that is given back
  Timer timer_;
};

}  // namespace handoff::supervisor
