#include "supervisor/core/backoff.h"

#include <algorithm>

namespace handoff::supervisor {

Duration Backoff::after(Duration ran) {
  if (ran >= kStable) reset();
  const Duration wait = next_;
  next_ = std::min(next_ * 2, kLongest);
  return wait;
}

}  // namespace handoff::supervisor
