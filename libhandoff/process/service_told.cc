// The part of Service that takes what other threads have said of sessions.
#include "libhandoff/process/service.h"

namespace handoff::io {

// Not in the freeze, once the sessions are being saved: what comes then is of sessions that stay,
// and waits for the outcome.
void Service::hear_told() {
  if (state_ == HANDOFF_STATE_HEIR || state_ == HANDOFF_STATE_DECLARING) return;
  links_->answered(registry_.told.take_restored());
  if (donor_ && !donor_->serving() && !donor_->resting()) return;
  const auto put = registry_.touch_what_was_put();
  if (!donor_ && registry_.release_rested(put)) sessions_changed();
}

}  // namespace handoff::io
