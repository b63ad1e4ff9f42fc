// How a Host meets the end of both directions of a connection (EPOLLHUP): the part of uv.hpp that
// its users need not read.
//
// EPOLLHUP can't be masked. A connection that lives on after it, for its mate's sake or for input
// that waits, leaves the set: it would come in each turn.
#ifndef HANDOFF_DETAIL_UV_HANG_UP_HPP
#define HANDOFF_DETAIL_UV_HANG_UP_HPP

#include <handoff/uv.hpp>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace handoff::uv {

// For one whose end was read, or that is closing: recv(2) would tell of the end again, and not of
// the error. False: there is more to be done about the event.
inline bool Engine::hung_up(Stream& s) {
  if (s.closing_) {
    // A pair waits for what its other connection has to send. One alone is over by its own send(2).
    if (s.mate_ == nullptr || !s.output_.empty()) return false;
    unwatch(s);
    return true;
  }
  int error = 0;
  socklen_t size = sizeof error;
  (void)::getsockopt(s.fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  // What waits will never be taken. That is a failure, and the other one of a pair is to see it.
  if (error != 0 || s.output_size() > 0) {
    end(s);
    return true;
  }
  s.shut_ = s.shut_wanted_ = true;
  unwatch(s);
  touch(s);
  enqueue(s);
  if (s.mate_ != nullptr) enqueue(*s.mate_);
  return true;
}

inline void Engine::unwatch(Stream& s) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, s.fd_, nullptr);
  s.watched_ = 0;
}

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_HANG_UP_HPP
