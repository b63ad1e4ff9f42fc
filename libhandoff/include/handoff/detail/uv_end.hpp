// What the end of a connection, which ending.hpp decides, does to its Host, and the end of all: the
// part of uv.hpp that its users need not read.
#ifndef HANDOFF_DETAIL_UV_END_HPP
#define HANDOFF_DETAIL_UV_END_HPP

#include <handoff/uv.hpp>

#include <sys/epoll.h>

namespace handoff::uv {

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

inline void Engine::unwatch(Stream& s) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, s.fd_, nullptr);
  s.watched_ = 0;
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
