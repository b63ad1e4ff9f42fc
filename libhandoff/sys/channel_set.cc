#include "libhandoff/sys/channel_set.h"

#include <sys/epoll.h>

namespace handoff::io {

Result<ChannelSet> ChannelSet::make() {
  ChannelSet set;
  set.epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!set.epoll_.valid()) return fail_errno("opening an epoll set for a lane's channels");
  return set;
}

Result<void> ChannelSet::watch(int fd, bool write) {
  const auto it = watched_.find(fd);
  if (it != watched_.end() && it->second == write) return {};
  epoll_event event{};
  event.events = EPOLLIN | (write ? EPOLLOUT : 0U);
  const int op = it == watched_.end() ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (::epoll_ctl(epoll_.get(), op, fd, &event) < 0) return fail_errno("epoll_ctl");
  watched_[fd] = write;
  return {};
}

void ChannelSet::unwatch(int fd) {
  if (watched_.erase(fd) > 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

}  // namespace handoff::io
