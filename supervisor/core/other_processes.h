// The processes beside the owner: those that still have sessions of their own, and the one that
// shares the sessions with the owner for a while (a progressive upgrade).
#pragma once

#include "supervisor/core/late.h"
#include "supervisor/core/progressive.h"

namespace handoff::supervisor {

class OtherProcesses {
 public:
  using Policy = LateProcesses::Policy;

  LateProcesses& late() { return late_; }
  const LateProcesses& late() const { return late_; }
  const Progressive& progressive() const { return progressive_; }

  // Before a handoff, back to the older release perhaps. Until that has another owner, what has
  // moved by shares is with the older process again.
  Effects prepare(const HandoffRequested& request);
  // The heir owns, whatever was left by shares included.
  Effects switched(const Policy& policy, Generation donor, Generation heir, Time now);
  // A handoff is over. One that has not come to its switch shares nothing.
  void handoff_over();
  // donor: of the handoff under way; 0 if there is none.
  Effects on(const DonorLate& late, const Policy& policy, Generation donor, Time now);
  Effects on(const Exited& exited, const Policy& policy, Time now);
  // The next share of a progressive upgrade, if it is due.
  Effects next_share(const Policy& policy, Time now);

 private:
  Effects gather(const Policy& policy, Time now);

  LateProcesses late_;
  Progressive progressive_;
};

}  // namespace handoff::supervisor
