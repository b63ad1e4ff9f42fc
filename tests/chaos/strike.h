// The blow: strikes the victims, lets the process at the point go on, resumes stopped processes in
// time, and waits until `handoff upgrade` has ended.
#pragma once

#include <optional>

#include "stage.h"

namespace chaos {

struct Struck {
  bool over = false;     // the handoff was over, or may have been: donor and heir had said so
  Clock::time_point at;  // when all victims were seen to be struck
  std::optional<Clock::time_point> told_at;   // when the supervisor told that it was done
  std::optional<Clock::time_point> woken_at;  // when a stopped process was resumed
  int status = -1;                            // of `handoff upgrade`
  std::int64_t reported = -1;  // sessions that it says were lost; -1: it says nothing
  std::int64_t waiting = 0;    // that it says stayed with the donor
};

// NotApplicable if there is no such victim then.
Struck strike(Stage& stage);

}  // namespace chaos
