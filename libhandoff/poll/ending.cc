// How connections end: by themselves, once their last bytes are sent, or at once.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <new>

#include "libhandoff/poll/kit.h"

using handoff::uv::Linger;

// The connection failed, or nobody waits for it any more.
void handoff_poll::end(handoff_conn& c) {
  if (c.dead) return;
  const int fd = c.fd;
  leave(c);
  // While the donor still has the socket open, close(2) alone would tell the client nothing.
  if (c.inherited) ::shutdown(fd, SHUT_RDWR);
  ::close(fd);
}

// All output is sent, and the client may not have read it yet. One that has ended its own half
// sends nothing that could make close(2) a reset.
void handoff_poll::finish(handoff_conn& c) {
  if (c.ended) return end(c);
  if (c.dead) return;
  const int fd = c.fd;
  leave(c);
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

// The session has ended, and its fd is the caller's.
void handoff_poll::leave(handoff_conn& c) {
  ended_.push_back(c.id);
  c.dead = c.closing = true;
  handoff_session_closed(handle_, c.id);
  ::epoll_ctl(set_, EPOLL_CTL_DEL, c.fd, nullptr);
  c.fd = -1;
  if (!in_turn_) wake();
}

void handoff_poll::destroy(handoff_conn& c) {
  if (c.ops().destroy != nullptr) c.ops().destroy(&c);
  if (c.layer().destroy != nullptr) c.layer().destroy(&c);
}

// An heir of the handoff under way has the socket open, and a donor may: SO_LINGER is all that
// close(2) needs where they have not. connect(2) to nobody dissolves the association of all.
void handoff_poll::abort(handoff_conn& c) {
  if (c.dead || c.making || c.frozen || over()) return;
  if (handoff_state(handle_) == HANDOFF_STATE_HEIR) return;  // in linked(): it is the donor's yet
  const int fd = c.fd;
  const linger now{1, 0};
  (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  if (::connect(fd, &nobody, sizeof nobody) < 0) (void)::shutdown(fd, SHUT_RDWR);
  leave(c);
  ::close(fd);
}
