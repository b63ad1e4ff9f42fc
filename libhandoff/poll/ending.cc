// How connections end: by themselves, once their last bytes are sent, or at once.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <new>

#include "libhandoff/poll/kit.h"

using handoff::uv::Linger;

// The connection failed, or nobody waits for it any more. The other one of a pair is reset: its end
// would look as if all had come.
void handoff_poll::end(handoff_conn& c) {
  if (c.dead) return;
  const int fd = c.fd;
  const int other = c.mate != nullptr ? c.mate->fd : -1;
  const bool inherited = c.inherited;
  // First: leave() may end the sending halves of both, which would be that orderly end.
  if (other >= 0) reset(other);
  leave(c.first());
  dispose(fd, inherited ? Ending::kShut : Ending::kClose);
  if (other >= 0) ::close(other);
}

// Both halves have ended, of both connections of a pair.
void handoff_poll::end_complete(handoff_conn& c) {
  if (c.mate != nullptr && !c.mate->complete()) return unwatch(c);
  const int fd = c.fd;
  const int other = c.mate != nullptr ? c.mate->fd : -1;
  leave(c.first());
  dispose(fd, Ending::kClose);
  if (other >= 0) ::close(other);
}

// Another process may have the socket open: SO_LINGER is all that close(2) needs where none has.
// connect(2) to nobody dissolves the association of all.
void handoff_poll::reset(int fd) {
  const linger now{1, 0};
  (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  if (::connect(fd, &nobody, sizeof nobody) < 0) (void)::shutdown(fd, SHUT_RDWR);
}

// All output is sent, and the client may not have read it yet. One that has ended its own half
// sends nothing that could make close(2) a reset.
void handoff_poll::finish(handoff_conn& c) {
  if (c.dead) return;
  if (c.mate != nullptr) return finish_pair(c.first());
  if (c.ended) return end(c);
  const int fd = c.fd;
  leave(c);
  dispose(fd, Ending::kLinger);
}

// A pair that handoff_conn_close() has ended, once both have sent all that they can. Nobody may
// ever answer a connect, and the kernel asks for minutes.
void handoff_poll::finish_pair(handoff_conn& first) {
  const auto sent = [this](const handoff_conn& one) {
    const bool given_up = one.connecting && (one.is_second || closing_down_);
    return one.output.empty() || given_up || one.fd < 0;
  };
  handoff_conn& second = *first.second;
  if (!sent(first) || !sent(second)) return;
  const int fds[] = {first.fd, second.fd};
  const bool ended[] = {first.ended || first.connecting, second.ended || second.connecting};
  leave(first);
  for (int i = 0; i < 2; ++i) {
    if (fds[i] < 0) continue;
    if (ended[i]) {
      ::shutdown(fds[i], SHUT_RDWR);
      ::close(fds[i]);
    } else {
      let_linger(fds[i]);
    }
  }
}

// What is queued waits for the connect, but not in a service that stops.
void handoff_poll::close_connecting(handoff_conn& c) {
  if (!c.closing || (!c.output.empty() && !closing_down_)) return;
  c.mate == nullptr ? end(c) : finish_pair(c.first());
}

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

// Both directions of the socket are over (EPOLLHUP, which can't be masked), of one whose end was
// read or that is closing: recv(2) would tell of the end again, and not of the error. One that
// lives on, for its mate's sake or for input that waits, leaves the set: the event would come in
// each turn. False: there is more to be done about it.
bool handoff_poll::hung_up(handoff_conn& c) {
  if (c.closing) {
    // A pair waits for what its other connection has to send. One alone is over by its own send(2).
    if (c.mate == nullptr || !c.output.empty()) return false;
    unwatch(c);
    return true;
  }
  int error = 0;
  socklen_t size = sizeof error;
  (void)::getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  // What waits will never be taken. That is a failure, and the other one of a pair is to see it.
  if (error != 0 || c.output_size() > 0) {
    end(c);
    return true;
  }
  c.shut = c.shut_wanted = true;
  unwatch(c);
  touch(c);
  enqueue(c);
  if (c.mate != nullptr) enqueue(*c.mate);
  return true;
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
