// What the end of a connection, which handoff/detail/ending.hpp decides, does to the kit.
#include <sys/epoll.h>
#include <unistd.h>

#include <new>

#include "libhandoff/poll/kit.h"

using handoff::uv::Linger;

void handoff_poll::let_linger(int fd) {
  try {
    linger_.add(fd, set_, Linger::clock_ms());
  } catch (const std::bad_alloc&) {
    ::close(fd);
    return;
  }
  if (linger_timer_ == 0) time_linger();
}

void handoff_poll::time_linger() {
  const std::uint64_t now_ms = Linger::clock_ms();
  linger_.expire(now_ms);
  linger_timer_ = 0;
  if (linger_.empty()) return;
  try {
    linger_timer_ = add_timer(
        linger_.left_ms(now_ms), false,
        [](void* user) { static_cast<handoff_poll*>(user)->time_linger(); }, this);
  } catch (const std::bad_alloc&) {
    linger_.expire(UINT64_MAX);  // without a timer nothing would end them
  }
}

void handoff_poll::unwatch(handoff_conn& c) {
  ::epoll_ctl(set_, EPOLL_CTL_DEL, c.fd, nullptr);
  c.watched = 0;
}

// The session has ended, and its fds are the caller's.
void handoff_poll::leave(handoff_conn& first) {
  ended_.push_back(first.id);
  each_of(first, [](handoff_conn& one) { one.dead = one.closing = true; });
  handoff_session_closed(handle_, first.id);
  each_of(first, [this](handoff_conn& one) {
    if (one.fd >= 0) ::epoll_ctl(set_, EPOLL_CTL_DEL, one.fd, nullptr);
    one.fd = -1;
  });
  if (!in_turn_) wake();
}

void handoff_poll::destroy(handoff_conn& c) {
  if (c.ops().destroy != nullptr) c.ops().destroy(&c);
  if (c.layer().destroy != nullptr) c.layer().destroy(&c);
}
