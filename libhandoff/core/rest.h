// The beginning of a freeze in which a service's sessions come to rest, where its freeze() has
// answered that this takes a while: they are processes, tasks or coroutines, and what each of them
// would save is not at hand. Meanwhile the service's loop turns.
//
// To the donor's machine the service is frozen all that time, so its budget covers the rest. It may
// take half of what the donor has until Release; the other half is for the delta.
#pragma once

#include <optional>

#include "libhandoff/core/types.h"

namespace handoff::core {

class Rest {
 public:
  // Groups on links end before a freeze begins its work: they may take half of the budget, or half
  // of what a rest has. A service rests if it puts states or has nothing else to give them by.
  static Time links_until(Time frozen_at, Duration budget, bool rests) {
    return frozen_at + (rests ? budget / 5 : budget / 2);
  }
  // From when an heir counts the time for its restores: from the donor's freeze, which is said by
  // the donor's clock, if that lies where it must have been. heard_at: the donor's Hello.
  static Time restores_since(Time frozen_at, Time heard_at, Time prepared_at) {
    return heard_at <= frozen_at && frozen_at <= prepared_at ? frozen_at : prepared_at;
  }
  // When the rest of a freeze that began then is over.
  static Time end(Time frozen_at, Duration budget) { return frozen_at + budget / 5 * 2; }

  void begin(Time until) { until_ = until; }
  bool under_way() const { return until_.has_value(); }
  std::optional<Time> deadline() const { return until_; }

  enum class Verdict : std::uint8_t {
    kWait,
    kRested,   // all sessions are at rest, by the service's word
    kTimeIsUp  // those that are not are left out
  };
  // said: the service says that all are at rest. What is not kWait ends it.
  Verdict look(bool said, Time now);
  // The freeze is over.
  void cancel() { until_.reset(); }

 private:
  std::optional<Time> until_;
};

}  // namespace handoff::core
