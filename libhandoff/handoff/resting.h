// The beginning of a lane's freeze in a service whose sessions come to rest while the loop turns.
// core/rest decides when that is over. What has not come to rest by then is left out, as a session
// that is held: it moves late.
#pragma once

#include <optional>

#include "libhandoff/core/rest.h"
#include "libhandoff/core/types.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

class Resting {
 public:
  explicit Resting(Registry& registry) : registry_(registry) {}

  // Until when groups on links may take, so that time is left for a rest.
  core::Time links_until(core::Time frozen_at, core::Duration budget) const;
  // Before freeze() is called.
  void begin_freeze(core::Time frozen_at, core::Duration budget);
  // freeze() has answered HANDOFF_LATER.
  void begin() { rest_.begin(until_); }
  bool under_way() const { return rest_.under_way(); }
  std::optional<core::Time> deadline() const { return rest_.deadline(); }
  struct Look {
    bool over = false;
    std::optional<core::Reason> failed = {};  // so the handoff is given up
  };
  // While it is under way.
  Look look();
  void cancel() { rest_.cancel(); }
  // The service serves on, and all of its sessions go on.
  void thaw();
  // The sessions have gone, but for those that stay.
  void end() { registry_.told.end_freeze(); }
  // Sessions that have put a state before the process was late, when that was of no use, move now.
  void release_rested();

 private:
  std::optional<core::Reason> hold_unrested(bool said);

  Registry& registry_;
  core::Rest rest_;
  core::Time until_ = 0;
  core::Duration budget_ = 0;
};

}  // namespace handoff::io
