#include "io/shell.h"

namespace handoff::io {

void await(Poller& poller, const Registry& registry, const Awaited& awaited) {
  const auto watch = [&](Role role, std::optional<int> fd, bool write) {
    if (!fd) {
      poller.unwatch(role);
      return;
    }
    // epoll_ctl fails for want of memory alone; then the deadline still ends the handoff.
    const auto ok = poller.watch(role, *fd, write);
    if (!ok) registry.log(HANDOFF_LOG_ERROR, ok.error().message);
  };
  watch(Role::kChannel, awaited.channel, awaited.write);
  watch(Role::kPeer, awaited.peer, false);
  poller.set_deadline(awaited.deadline);
}

core::Reason to_reason(const Error& error) {
  switch (error.code) {
    case HANDOFF_ERR_PROTOCOL:
      return {core::Code::kProtocol, error.message};
    case HANDOFF_ERR_REJECTED:
      return {core::Code::kRejected, error.message};
    case HANDOFF_ERR_VERSION:
      return {core::Code::kVersion, error.message};
    case HANDOFF_ERR_IDENTITY:
      return {core::Code::kIdentity, error.message};
    case HANDOFF_ERR_UNKNOWN:
      return {core::Code::kUnclaimed, error.message};
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -ENOSPC:
    case -ENOBUFS:
    case -ETOOMANYREFS:
      return {core::Code::kResources, error.message};
    default:
      return {core::Code::kInternal, error.message};
  }
}

}  // namespace handoff::io
