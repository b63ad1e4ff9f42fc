// The part of Service that takes what other threads have said of sessions.
#include "libhandoff/process/service.h"

namespace handoff::io {

// Not in the freeze, once the sessions are being saved: what comes then is of sessions that stay,
// and waits for the outcome.
void Service::hear_told() {
  if (state_ == HANDOFF_STATE_HEIR || state_ == HANDOFF_STATE_DECLARING) return;
  if (donor_ && !donor_->serving() && !donor_->resting()) return;
  links_->answered(registry_.told.take_restored());
  const auto put =
      registry_.touch_what_was_put([this](std::uint64_t id) { return links_->bring(id); });
  if (!donor_ && registry_.release_rested(put)) sessions_changed();
}

}  // namespace handoff::io
