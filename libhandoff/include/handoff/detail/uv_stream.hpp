// How a Host reads and writes for its Streams: the part of uv.hpp that its users need not read.
#ifndef HANDOFF_DETAIL_UV_STREAM_HPP
#define HANDOFF_DETAIL_UV_STREAM_HPP

#include <handoff/uv.hpp>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace handoff::uv {

inline void Engine::on_events() {
  if (over()) return;  // the set was ready in the very turn in which the handoff ended
  // The supervisor waits to hear that this loop turns. In the first turn a batch of requests has
  // piled up, so the service is dispatched before them.
  if (!std::exchange(turned_, true)) on_service();
  if (over()) return;
  std::array<epoll_event, 256> events;
  const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
  in_batch_ = true;
  for (int i = 0; i < n; ++i) {
    const std::uint64_t data = events[static_cast<std::size_t>(i)].data.u64;
    const std::uint32_t what = events[static_cast<std::size_t>(i)].events;
    if ((data & 1) != 0) {
      accept_from(*reinterpret_cast<Listener*>(data & ~std::uint64_t{1}));
      continue;
    }
    if ((data & 2) != 0) {
      linger_.on_event(data);
      continue;
    }
    auto& s = *reinterpret_cast<Stream*>(data);  // alive: streams are destroyed after the batch
    if (s.dead_) continue;
    if (s.connecting_) {
      connected(s);
      continue;
    }
    if ((s.ended_ || s.closing_) && (what & (EPOLLHUP | EPOLLERR)) != 0 && hung_up(s)) continue;
    if ((what & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_from(s);
    if (!s.dead_ && (what & EPOLLOUT) != 0) enqueue(s);
  }
  in_batch_ = false;
  flush();
}

inline void Engine::read_from(Stream& s) {
  if (s.closing_) {
    // Only errors and hang-ups matter now.
    char byte = 0;
    const ssize_t n = ::recv(s.fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) end(s);
    return;
  }
  const char* data = nullptr;
  const ssize_t n = receive(s, &data);
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) end(s);
    return;
  }
  touch(s);
  if (n == 0) {  // the client sends no more, and may still read the answers that are queued
    s.ended_ = true;
    enqueue(s);
    if (!s.paused_ || s.input_.empty()) tell_end(s);  // else once its input has been looked at
    return;
  }
  const std::string_view fresh(data, static_cast<std::size_t>(n));
  if (s.input_.empty()) {
    s.seen_ = 0;
    const int fd = s.fd_;
    const std::size_t used = s.paused_ ? 0 : s.on_input(fresh);
    s.input_from_ += used;
    // What an upstream has left that was replaced meanwhile is over.
    if (s.fd_ == fd && used < fresh.size()) s.input_.append(fresh.substr(used));
    s.seen_ = s.paused_ ? 0 : s.input_.size();
  } else {
    s.input_.append(fresh);
    consume(s);
  }
  if (s.input_.size() > max_input) overflow(s);
  if (!s.dead_) enqueue(s);  // flush() adjusts the events to watch for
}

inline void Engine::tell_end(Stream& s) {
  if (!std::exchange(s.told_end_, true)) s.on_end();
}

inline void Engine::consume(Stream& s) {
  if (s.closing_ || s.dead_ || s.paused_ || s.frozen_ || over()) return;
  if (!std::exchange(s.looks_, false) && s.input_.empty()) return;
  const int fd = s.fd_;
  const std::size_t used = s.on_input(s.input_);
  if (s.dead_ || s.fd_ != fd) return;  // over, or replaced by another upstream
  s.seen_ = s.paused_ ? 0 : s.input_.size() - used;
  touch(s);  // on_input() may have changed the state, whatever it has consumed
  s.input_.erase(0, used);
  s.input_from_ += used;
  if (s.input_.empty() && s.input_.capacity() > 65536) s.input_.shrink_to_fit();
  if (s.ended_ && !s.paused_) tell_end(s);
}

inline void Engine::touch(Stream& any) {
  unstored(any);
  touch_sent(any);
}

// The kernel counts what was sent: the vault need not hear of it.
inline void Engine::touch_sent(Stream& any) {
  Stream& s = any.first();
  if (any.is_second_) hold_place(any);
  // A timer of the service may still write to a session that a retired donor no longer owns.
  if (s.touched_ || finishing_) return;
  s.touched_ = true;
  service_.session_touch(s.id_);
}

inline void Engine::enqueue(Stream& s) {
  if (s.queued_ || s.dead_) return;
  s.queued_ = true;
  pending_.push_back(s.key());
  if (!in_batch_ && !flushing_) schedule();
}

// For what was written outside a batch of events, by a timer, say: flushes in the next turn.
inline void Engine::schedule() {
  if (over()) return;
  uv_idle_start(&flusher_, [](uv_idle_t* idle) {
    uv_idle_stop(idle);
    Engine& self = *static_cast<Engine*>(idle->data);
    if (!self.over()) self.flush();
  });
}

// Sends what the batch produced, adjusts what is watched, destroys what has ended.
inline void Engine::flush() {
  flushing_ = true;
  announce_adopted();
  if (kept_) commit_all();
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    Stream* const queued = by_key(pending_[i]);
    if (queued == nullptr) continue;
    Stream& s = *queued;
    s.queued_ = false;
    if (s.frozen_) continue;  // thaw() queues it again
    if (!s.dead_ && s.refused_ != 0) refused(s, s.refused_);
    if (s.fd_ < 0) continue;
    if (!s.dead_) send_from(s);
    if (!s.dead_ && s.end_state().is_complete()) end_complete(s);
    if (!s.dead_) rewatch(s);
  }
  pending_.clear();
  bury();
  if (!unstored_.empty() || !doomed_.empty()) commit();
  flushing_ = false;
  if (!pending_.empty() || !thawed_.empty()) schedule();
  if (stopping_ && streams_.empty()) {
    stopping_ = false;
    close_handles();
  }
}

// After the switch streams may act, and input that came along may hold whole requests. A request
// may concern another session, so every stream is told before any input is looked at.
inline void Engine::announce_adopted() {
  if (service_.state() == State::kHeir) return;
  if (adopted_.empty() && thawed_.empty() && opening_.empty()) return;
  for (Stream* s : std::exchange(opening_, {})) {
    if (s == nullptr) continue;
    s->opening_ = kNowhere;
    if (s->frozen_) {
      s->opening_ = opening_.size();
      opening_.push_back(s);
    } else if (!s->dead_) {
      std::exchange(s->fresh_, false) ? begin_fresh(*s) : s->on_open(true);
    }
  }
  std::vector<SessionId> ready = std::exchange(thawed_, {});
  for (const SessionId id : std::exchange(adopted_, {})) ready.push_back(id);
  for (const SessionId id : ready) {
    Stream* s = live(id);
    if (s == nullptr || s->frozen_) continue;  // thaw() lists it again
    each_of(*s, [this](Stream& one) {
      one.seen_ = 0;  // a call that has paused may have left whole requests
      consume(one);
      enqueue(one);
    });
  }
}

inline void Engine::send_from(Stream& s) {
  if (s.connecting_) return close_connecting(s);
  const bool was_full = s.output_size() >= kHighWater;
  while (s.sent_ < s.output_.size()) {
    const ssize_t n = ::send(s.fd_, s.output_.data() + s.sent_, s.output_.size() - s.sent_,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) end(s);
      break;
    }
    s.sent_ += static_cast<std::size_t>(n);
    touch_sent(s);
  }
  trim(s);
  if (s.dead_) return;
  // Its reader had been waiting.
  if (was_full && s.mate_ != nullptr && s.output_size() < kHighWater) enqueue(*s.mate_);
  if (!s.output_.empty()) return;
  if (std::exchange(s.store_again_, false)) unstored(s);
  if (s.closing_) return finish(s);
  if (s.shut_wanted_ && !std::exchange(s.shut_, true)) ::shutdown(s.fd_, SHUT_WR);
}

// Takes what is sent out of the output: at once if it is all, else when it is half, so that a byte
// is moved once at most.
inline void Engine::trim(Stream& s) {
  if (s.sent_ == s.output_.size()) {
    give_room_back(s.output_);
  } else if (s.sent_ > (std::size_t{1} << 20) && s.sent_ > s.output_.size() / 2) {
    s.output_.erase(0, s.sent_);
  } else {
    return;
  }
  s.output_from_ += std::exchange(s.sent_, 0);
}

inline void Engine::rewatch(Stream& s) {
  std::uint32_t wanted = 0;
  if (s.output_size() > 0 || s.connecting_) wanted |= EPOLLOUT;
  // What is read from one connection of a pair is written to the other.
  const Stream& sink = s.mate_ != nullptr ? *s.mate_ : s;
  if (!s.closing_ && !s.paused_ && !s.ended_ && !s.connecting_ && sink.output_size() < kHighWater) {
    wanted |= EPOLLIN;
  }
  if (wanted == s.watched_) return;
  s.watched_ = wanted;
  watch(EPOLL_CTL_MOD, s.fd_, wanted, reinterpret_cast<std::uintptr_t>(&s));
}

inline void Engine::overflow(Stream& s) {
  if (s.closing_) return;
  s.on_overflow();
  s.close();
}

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_STREAM_HPP
