// How a Host ends the connections of its Streams: the part of uv.hpp that its users need not read.
#ifndef HANDOFF_DETAIL_UV_END_HPP
#define HANDOFF_DETAIL_UV_END_HPP

#include <handoff/uv.hpp>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace handoff::uv {

// The connection failed, or nobody waits for it any more. The other one of a pair is reset: its end
// would look as if all had come.
inline void Engine::end(Stream& s) {
  if (s.dead_) return;
  const int fd = s.fd_;
  const int other = s.mate_ != nullptr ? s.mate_->fd_ : -1;
  const bool inherited = s.inherited_;
  // First: leave() may end the sending halves of both, which would be that orderly end.
  if (other >= 0) reset(other);
  leave(s.first());
  dispose(fd, inherited ? Ending::kShut : Ending::kClose);
  if (other >= 0) ::close(other);
}

// Both halves have ended, of both connections of a pair.
inline void Engine::end_complete(Stream& s) {
  if (s.mate_ != nullptr && !s.mate_->complete()) return unwatch(s);
  const int fd = s.fd_;
  const int other = s.mate_ != nullptr ? s.mate_->fd_ : -1;
  leave(s.first());
  dispose(fd, Ending::kClose);
  if (other >= 0) ::close(other);
}

inline void Engine::reset(int fd) {
  const linger now{1, 0};
  (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
  if (::connect(fd, &nowhere, sizeof nowhere) < 0) (void)::shutdown(fd, SHUT_RDWR);
}

// All output is sent, and the client may not have read it yet. One that has ended its own half
// sends nothing that could make close(2) a reset.
inline void Engine::finish(Stream& s) {
  if (s.dead_) return;
  if (s.mate_ != nullptr) return finish_pair(s);
  if (s.ended_) return end(s);
  const int fd = s.fd_;
  leave(s);
  dispose(fd, Ending::kLinger);
}

// Nobody may ever answer the connect, and the kernel asks for minutes. What is queued waits for it,
// but not in a service that stops.
inline void Engine::close_connecting(Stream& s) {
  if (!s.closing_ || (!s.output_.empty() && !finishing_)) return;
  s.mate_ == nullptr ? end(s) : finish_pair(s);
}

inline void Engine::let_linger(int fd) {
  linger_.add(fd, epoll_, Linger::clock_ms());
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&linger_timer_)) == 0) time_linger();
}
inline void Engine::time_linger() {
  const std::uint64_t now_ms = Linger::clock_ms();
  linger_.expire(now_ms);
  if (linger_.empty()) return;
  uv_timer_start(
      &linger_timer_, [](uv_timer_t* t) { static_cast<Engine*>(t->data)->time_linger(); },
      linger_.left_ms(now_ms), 0);
}

// Its session has ended, and its fd is the caller's.
inline void Engine::leave(Stream& s) {
  service_.session_closed(s.id_);
  each_of(s, [this](Stream& one) {
    one.dead_ = true;
    one.closing_ = true;
    set_deadline(one, 0);
    if (one.fd_ >= 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, one.fd_, nullptr);
    one.fd_ = -1;
  });
  ended_.push_back(s.id_);
  if (!in_batch_ && !flushing_) schedule();
}

inline void Engine::stop(std::uint64_t deadline_us) {
  if (finishing_) return;
  finishing_ = true;
  stopping_ = true;
  for (auto& listener : listeners_) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener->fd, nullptr);
  if (stopping_hook_) stopping_hook_();
  each_live([](Stream& s) { s.close(); });
  // Clients that don't read get nine tenths of the time: the rest is for closing before the signal.
  const std::uint64_t now_us = uv_hrtime() / 1000;
  const std::uint64_t left_ms = deadline_us > now_us ? (deadline_us - now_us) / 1000 * 9 / 10 : 0;
  cut_off_ms_ = now_us / 1000 + left_ms;
  uv_timer_start(
      &stop_timer_, [](uv_timer_t* t) { static_cast<Engine*>(t->data)->end_all(); }, left_ms, 0);
  flush();
}

inline void Engine::end_all() {
  each_live([this](Stream& s) {
    if (!s.frozen_) end(s);
  });
  flush();
}

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_END_HPP
