#include "libhandoff/sys/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace handoff::io {

Result<Poller> Poller::make() {
  Poller p;
  p.epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  p.timer_ = UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  p.wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!p.epoll_.valid() || !p.timer_.valid() || !p.wake_.valid()) {
    return fail_errno("opening the library's epoll set");
  }
  if (const auto ok = p.watch(Role::kTimer, p.timer_.get(), false); !ok) return Failure(ok.error());
  if (const auto ok = p.watch(Role::kWake, p.wake_.get(), false); !ok) return Failure(ok.error());
  return p;
}

Result<void> Poller::watch(Role role, int fd, bool write) {
  const auto it = std::find_if(watched_.begin(), watched_.end(),
                               [&](const Watched& w) { return w.role == role; });
  if (it != watched_.end() && it->fd == fd && it->write == write) return {};
  epoll_event event{};
  event.events = EPOLLIN | (write ? EPOLLOUT : 0U);
  event.data.u32 = static_cast<std::uint32_t>(role);
  if (it != watched_.end() && it->fd == fd) {
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) < 0) return fail_errno("epoll_ctl");
    it->write = write;
    return {};
  }
  unwatch(role);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return fail_errno("epoll_ctl");
  watched_.push_back({role, fd, write});
  return {};
}

void Poller::unwatch(Role role) {
  const auto it = std::find_if(watched_.begin(), watched_.end(),
                               [&](const Watched& w) { return w.role == role; });
  if (it == watched_.end()) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, it->fd, nullptr);
  watched_.erase(it);
}

void Poller::set_deadline(std::optional<core::Time> deadline) {
  if (deadline == deadline_) return;
  deadline_ = deadline;
  itimerspec spec{};
  if (deadline) {
    // A zero it_value would disarm the timer.
    const core::Time at = std::max<core::Time>(*deadline, 1);
    spec.it_value.tv_sec = static_cast<time_t>(at / 1'000'000);
    spec.it_value.tv_nsec = static_cast<long>(at % 1'000'000 * 1000);
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void Poller::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

Result<std::vector<Role>> Poller::wait(int timeout_ms) {
  std::array<epoll_event, 8> events;
  const int n =
      ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms);
  if (n < 0 && errno != EINTR) return fail_errno("epoll_wait");
  std::vector<Role> roles;
  for (int i = 0; i < n; ++i) {
    const auto role = static_cast<Role>(events[static_cast<std::size_t>(i)].data.u32);
    std::uint64_t count = 0;
    if (role == Role::kWake) {
      [[maybe_unused]] const ssize_t r = ::read(wake_.get(), &count, sizeof count);
    } else if (role == Role::kTimer) {
      [[maybe_unused]] const ssize_t r = ::read(timer_.get(), &count, sizeof count);
      deadline_.reset();  // it has fired: setting the same time again must arm the timer
    }
    roles.push_back(role);
  }
  // What the peer said in time counts, so messages come before exits, and exits before timers.
  std::sort(roles.begin(), roles.end());
  return roles;
}

}  // namespace handoff::io
