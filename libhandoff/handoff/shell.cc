#include "libhandoff/handoff/shell.h"

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

}  // namespace handoff::io
