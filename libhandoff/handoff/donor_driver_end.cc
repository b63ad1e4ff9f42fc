// The part of DonorDriver that ends a handoff: the sessions go, or come back.
#include <unistd.h>

#include <utility>

#include "libhandoff/handoff/donor_driver.h"
#include "libhandoff/handoff/retirement.h"
#include "libhandoff/service/lane_vault.h"
#include "libhandoff/sys/failpoint.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {
namespace {

using protocol::Type;
using E = core::DonorEventType;

core::DonorEvent refused(const Error& error) { return {E::kRefused, to_reason(error)}; }

}  // namespace

void DonorDriver::thaw() {
  failpoint::hit("donor.thaw.before");
  rest_.thaw();
  lanes_.main().service().end(false);
  lanes_.over();
  reporter_.wake_links();
  if (registry_.callbacks.thaw != nullptr) {
    registry_.tell("thaw()", [&] { registry_.callbacks.thaw(registry_.callbacks_user); });
  }
  failpoint::hit("donor.thaw.after");
}

void DonorDriver::send_release() {
  const auto sent = lanes_.main().channel().send(Type::kRelease, {});
  if (!sent) {
    handle(refused(sent.error()));
  } else if (*sent == Channel::Sent::kYes) {
    handle({E::kReleaseSent});
  } else if (*sent == Channel::Sent::kClosed) {
    handle({E::kChannelClosed});
  } else {
    want_write_ = true;
  }
}

void DonorDriver::send_abort() {
  const auto sent =
      lanes_.main().channel().send(Type::kAbort, encode(protocol::Abort{machine_.reason()}));
  if (!sent || *sent == Channel::Sent::kWouldBlock || *sent == Channel::Sent::kFdsInFlight) {
    handle({E::kAbortUnsendable});
  } else {
    handle({*sent == Channel::Sent::kYes ? E::kAbortSent : E::kChannelClosed});
  }
}

void DonorDriver::close_channel() {
  failpoint::hit("donor.close.before");
  channel_done_ = true;
  poller_.unwatch(Role::kChannel);
  // With sessions left it becomes a link.
  if (!stays() || !heir_links_ || machine_.heir_lost()) lanes_.main().close();
  failpoint::hit("donor.close.after");
}

// ---- the end

// The heir has died between its claim and Resumed, and has touched no socket. Its vault counts, or
// this one's still does. To close the sockets here would end them for either: they are the
// keeper's, too, and stay open if this process ends.
void DonorDriver::leave_to_vault() const {
  if (registry_.vault == nullptr || registry_.vault->complete == 0) return;
  registry_.log(HANDOFF_LOG_ERROR,
                "the heir has died as it took the sessions: this process ends, and they go on from "
                "its vault");
  ::_exit(1);
}

void DonorDriver::retire() {
  rest_.end();
  failpoint::hit("donor.retire.before");
  const bool heir_lost = machine_.heir_lost();
  read_refusals();
  left_ = lanes_.progress().staying;
  if (heir_lost && !stays()) leave_to_vault();
  if (!stays()) let_heir_run();
  outcome_ = report_.retired(frozen_at_ns_, heir_lost, registry_.sessions, left_out());
  if (!stays()) {
    reporter_.retired(outcome_);
    give_way();
  }
  lanes_.main().service().end(true);
  lanes_.main().service().let_go();
  lanes_.own().stop_watching();
  const std::vector<std::uint64_t> closing = lanes_.own().closing();
  reset_all(registry_, closing);
  lanes_.retire_others(heir_lost, stays());  // side by side
  if (stays()) {                             // process/service reports it, and goes on with it
    retire_but(registry_, lanes_.own().staying(), closing);
  } else {
    drop_all(registry_, closing);
    retire_all(registry_, lost_here());
  }
  lanes_.retire();
  failpoint::hit("donor.retire.after");
}

void DonorDriver::end_failed() {
  if (rehearsal_) report_.rehearsed(*rehearsal_, left_out());
  lanes_.main().service().end(false);
  lanes_.over();
  registry_.log(rehearsal_ ? HANDOFF_LOG_INFO : HANDOFF_LOG_WARNING,
                (rehearsal_ ? "the rehearsal is over: " : "handoff failed, serving on: ") +
                    machine_.reason().text);
  reporter_.failed({parameters_.id, machine_.reason(), now_ns()});
}

}  // namespace handoff::io
