#include "libhandoff/process/sharers.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include <utility>

#include "libhandoff/sys/process.h"

namespace handoff::io {
namespace {

// A retired donor has nothing more to say: whatever comes, the end is near.
bool has_ended(const Channel& channel) {
  pollfd end{channel.fd(), POLLIN, 0};
  return ::poll(&end, 1, 0) > 0;
}

}  // namespace

Result<Sharers> Sharers::make() {
  Sharers out;
  out.epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!out.epoll_.valid()) return fail_errno("opening an epoll set for other processes");
  return out;
}

bool Sharers::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

// Others hold these descriptions, too: the supervisor a pidfd, a child of the service all of them.
// close(2) alone would leave them in the set, readable for good (epoll(7)).
void Sharers::unwatch(int fd) { (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void Sharers::add(UniqueFd pidfd, std::optional<Channel> channel) {
  if (channel && (channel->fd() < 0 || !watch(channel->fd()))) channel.reset();
  if (watch(pidfd.get())) sharers_.push_back({std::move(pidfd), std::move(channel)});
}

void Sharers::add_copy(int pidfd) {
  UniqueFd copy(::fcntl(pidfd, F_DUPFD_CLOEXEC, 0));
  if (copy.valid()) add(std::move(copy));
}

bool Sharers::turn() {
  bool news = false;
  for (auto it = sharers_.begin(); it != sharers_.end();) {
    const bool gone = has_exited(it->pidfd.get());
    const bool closed = it->channel && has_ended(*it->channel);
    news = news || gone || closed;
    if (closed) {
      unwatch(it->channel->fd());
      it->channel.reset();
    }
    if (!gone) {
      ++it;
      continue;
    }
    unwatch(it->pidfd.get());
    if (it->channel) unwatch(it->channel->fd());
    it = sharers_.erase(it);
  }
  return news;
}

}  // namespace handoff::io
