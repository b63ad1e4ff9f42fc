// How long to wait before a service that died is started again: nothing is gained by starting one
// that dies at once a thousand times a second, and nothing by making one wait that ran for a day.
#pragma once

#include "supervisor/core/time.h"

namespace handoff::supervisor {

class Backoff {
 public:
  static constexpr Duration kFirst = std::chrono::milliseconds(100);
  static constexpr Duration kLongest = std::chrono::seconds(30);
  static constexpr Duration kStable = std::chrono::seconds(60);  // a run this long forgets the past

  // The wait after a run of that length; doubles from one short run to the next.
  Duration after(Duration ran);
  void reset() { next_ = kFirst; }

 private:
  Duration next_ = kFirst;
};

}  // namespace handoff::supervisor
