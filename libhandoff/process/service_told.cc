// The part of Service that takes what other threads have said of sessions.
#include "libhandoff/process/service.h"

namespace handoff::io {

// Not in the freeze, once the sessions are being saved: what comes then is of sessions that stay,
// and waits for the outcome.
void Service::hear_told() {
  if (state_ == HANDOFF_STATE_HEIR || state_ == HANDOFF_STATE_DECLARING) return;
  links_->answered(registry_.told.take_restored());
  if (donor_ && !donor_->serving() && !donor_->resting()) return;
  release_rested(registry_.touch_what_was_put());
}

// Late sessions that have come to rest move now.
void Service::release_rested(const std::vector<std::uint64_t>& ids) {
  if (donor_) return;
  bool released = false;
  for (const std::uint64_t id : ids) {
    SessionEntry& entry = registry_.sessions.at(id);
    if (!entry.unrested) continue;
    entry.unrested = false;
    registry_.sessions.hold(entry, false);
    released = true;
  }
  if (released) sessions_changed();
}

}  // namespace handoff::io
