// Times by which a Stream has to be told something: the part of uv.hpp that its users need not
// read.
#ifndef HANDOFF_DETAIL_UV_DEADLINE_HPP
#define HANDOFF_DETAIL_UV_DEADLINE_HPP

#include <handoff/uv.hpp>

namespace handoff::uv {

inline void Stream::set_deadline(std::uint64_t at_ms) { host_->set_deadline(*this, at_ms); }

// A Stream that is replaced by one of a newer state leaves its time in the list: meet_deadlines()
// compares.
inline void Host::set_deadline(Stream& s, std::uint64_t at_ms) {
  if (s.deadline_ms_ != 0) deadlines_.erase({s.deadline_ms_, s.key()});
  s.deadline_ms_ = 0;
  if (at_ms == 0 || s.dead_) return;
  const bool first = deadlines_.empty() || at_ms < deadlines_.begin()->first;
  deadlines_.emplace(at_ms, s.key());
  s.deadline_ms_ = at_ms;
  if (first) time_deadlines();
}

// An heir has no timers before start() has returned from the switch, and then comes here.
inline void Host::time_deadlines() {
  if (open_handles_ == 0 || over() || deadlines_.empty()) return;
  const std::uint64_t now_ms = Linger::clock_ms();
  const std::uint64_t first_ms = deadlines_.begin()->first;
  uv_timer_start(
      &deadline_timer_, [](uv_timer_t* t) { static_cast<Host*>(t->data)->meet_deadlines(); },
      first_ms > now_ms ? first_ms - now_ms : 0, 0);
}

inline void Host::meet_deadlines() {
  constexpr std::uint64_t kAgainMs = 1000;
  const std::uint64_t now_ms = Linger::clock_ms();
  while (!over() && !deadlines_.empty() && deadlines_.begin()->first <= now_ms) {
    const auto [at_ms, key] = *deadlines_.begin();
    deadlines_.erase(deadlines_.begin());
    Stream* const s = by_key(key);
    if (s == nullptr || s->dead_ || s->deadline_ms_ != at_ms) continue;
    s->deadline_ms_ = 0;
    if (s->frozen_) {  // on its way, and it may come back
      set_deadline(*s, now_ms + kAgainMs);
    } else {
      s->on_deadline();
    }
  }
  time_deadlines();
}

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_DEADLINE_HPP
