// Sessions with two connections: the part of uv.hpp and uv_pair.hpp that their users need not read.
//
// A pair is one session of the library. Its second connection is an fd of that session
// (handoff_session_fd()), and a Stream that belongs to the first one. So the two are saved, moved,
// held and dropped by one record, and neither is ever without the other.
#ifndef HANDOFF_DETAIL_UV_PAIRS_HPP
#define HANDOFF_DETAIL_UV_PAIRS_HPP

#include <handoff/uv.hpp>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace handoff::uv {

// May be called in the constructor of first, which has no Host yet; own() follows then.
inline Stream& Engine::make_second(Stream& first) {
  if (first.second_) return *first.second_;
  first.second_ = first.make_second();
  if (!first.second_) {
    throw std::runtime_error("the session has two connections, and its class is no Pair");
  }
  Stream& second = *first.second_;
  second.is_second_ = true;
  second.mate_ = &first;
  first.mate_ = &second;
  return second;
}

inline Stream& Engine::second_of(Stream& first) {
  make_second(first);
  own(first, first.id_);
  return *first.second_;
}

// The Stream is this Host's, with what its constructor has made.
inline void Engine::own(Stream& s, SessionId id) {
  each_of(s, [&](Stream& one) {
    one.host_ = static_cast<Host*>(this);
    one.id_ = id;
  });
}

// In place of the fd that the second connection has.
inline void Engine::attach(Stream& first, int fd, bool connecting) {
  Stream& second = second_of(first);
  service_.session_fd(first.id_, Record::kUpstream, fd);
  second.placed_ = false;
  if (second.fd_ >= 0) {
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, second.fd_, nullptr);
    ::close(second.fd_);
  }
  second.fd_ = fd;
  // What was read from the one before, and its end, are over. What was written waits for this one.
  second.ended_ = second.told_end_ = second.shut_ = false;
  second.seen_ = 0;
  second.input_.clear();
  second.refused_ = 0;
  second.inherited_ = false;
  second.connecting_ = connecting;
  second.watched_ = connecting ? EPOLLOUT : EPOLLIN;
  watch(EPOLL_CTL_ADD, fd, second.watched_, reinterpret_cast<std::uintptr_t>(&second));
  touch(first);
  enqueue(second);
}

// There is no connection to be waited for: on_refused() comes from the loop all the same.
inline void Engine::refuse_later(Stream& first, int error) {
  Stream& second = second_of(first);
  drop_second(second);
  second.connecting_ = true;
  second.refused_ = error;
  touch(second);
  enqueue(second);
}

inline void Engine::drop_second(Stream& second) {
  if (second.fd_ < 0) return;
  service_.session_fd(second.id_, Record::kUpstream, -1);
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, second.fd_, nullptr);
  ::close(std::exchange(second.fd_, -1));
}

// Bytes may wait for an upstream that has no socket yet. A release whose uv.hpp knows no pairs
// would take what pack_pair() has made for the client's input. The library gives it no session with
// an fd that it does not take, so one stands for the socket: alias_, to which nothing writes.
inline void Engine::hold_place(Stream& second) {
  const bool waits = second.connecting_ || second.shut_wanted_ || second.output_size() > 0;
  if (!waits || second.fd_ >= 0 || second.placed_) return;
  if (second.frozen_ || second.closing_ || finishing_) return;
  service_.session_fd(second.id_, Record::kUpstream, alias_);
  second.placed_ = true;
}

inline bool Engine::is_place(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0;
}

inline std::string Engine::pack_pair(const Stream& first) {
  const Stream& second = *first.second_;
  return detail::PairInput{first.input_, second.input_,
                           std::string_view(second.output_).substr(second.sent_)}
      .pack();
}

inline void Engine::unpack_pair(Stream& first, std::string_view packed) {
  const auto parts = detail::PairInput::unpack(packed);
  if (!parts) throw std::runtime_error("the input of a pair is cut, or too long");
  first.input_ = parts->client;
  first.second_->input_ = parts->upstream;
  first.second_->output_ = parts->to_upstream;
}

// before: the second Stream of an earlier state. Its socket goes on if the donor still names one,
// and has sent no other.
inline void Engine::take_second(Adopted& a, Stream& first, Stream* before) {
  int fresh = a.take_fd(Record::kUpstream);
  const int had = before != nullptr ? std::exchange(before->fd_, -1) : -1;
  if (!first.second_ && fresh >= 0) {
    ::close(fresh);
    throw std::runtime_error("the session has a second connection and is no pair");
  }
  const auto names = a.fd_names();
  const bool named = std::any_of(names.begin(), names.end(),
                                 [](std::string_view n) { return n == Record::kUpstream; });
  bool placed = named && fresh < 0 && before != nullptr && before->placed_;
  if (fresh >= 0 && is_place(fresh)) {
    ::close(std::exchange(fresh, -1));
    service_.session_fd(a.id(), Record::kUpstream, alias_);  // this process's own stands for it now
    placed = true;
  }
  const bool goes_on = named && fresh < 0 && !placed && first.second_;
  if (had >= 0 && !goes_on) {
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, had, nullptr);
    ::close(had);
  }
  if (!first.second_) return;
  Stream& second = *first.second_;
  second.fd_ = goes_on ? had : fresh;
  second.placed_ = placed;
  if (second.connecting_ && second.fd_ < 0) second.refused_ = ECONNREFUSED;  // not told yet
  second.frozen_ = first.frozen_;
  second.saved_output_ = second.output_size();
  if (second.frozen_ || second.fd_ < 0) return;
  second.watched_ = second.connecting_ ? EPOLLOUT : EPOLLIN;
  if (second.output_size() > 0) second.watched_ |= EPOLLOUT;
  watch(fresh >= 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, second.fd_, second.watched_,
        reinterpret_cast<std::uintptr_t>(&second));
}

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_PAIRS_HPP
