// Connections that the service opens itself: the part of uv.hpp that its users need not read.
#ifndef HANDOFF_DETAIL_UV_CONNECT_HPP
#define HANDOFF_DETAIL_UV_CONNECT_HPP

#include <handoff/uv.hpp>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace handoff::uv {

inline Stream& Host::connect(const std::string& kind, const std::string& address,
                             std::unique_ptr<Stream> stream) {
  check_outgoing(kind);  // before anybody is connected to
  const int fd = handoff_connect(address.c_str());
  if (fd < 0) throw Exception(fd, "connecting to " + address + ": " + handoff_strerror(fd));
  try {
    Stream& s = take_in(kind, fd, std::move(stream), true);
    opened(s);
    return s;
  } catch (...) {
    ::close(fd);
    throw;
  }
}

inline Stream& Host::adopt(const std::string& kind, int fd, std::unique_ptr<Stream> stream) {
  check_outgoing(kind);
  set_nonblocking(fd);
  Stream& s = take_in(kind, fd, std::move(stream), false);
  opened(s);
  return s;
}

inline void Engine::check_outgoing(const std::string& kind) const {
  const State now = service_.state();
  if (finishing_ || late_ || (now != State::kOwner && now != State::kDonor)) {
    throw Exception(HANDOFF_ERR_ORDER,
                    "connections are opened after Host::start(), and not once the service stops or "
                    "an heir has its sessions");
  }
  if (restores_.contains(kind)) return;
  throw Exception(HANDOFF_ERR_UNKNOWN,
                  "kind \"" + kind + "\": Host::outgoing() says how its sessions are restored");
}

inline Stream& Engine::take_in(const std::string& kind, int fd, std::unique_ptr<Stream> stream,
                               bool connecting) {
  Stream& s = *stream;
  const SessionId id = service_.session_open(fd, HANDOFF_SESSION_TRACKED, kind.c_str());
  try {
    own(s, id);
    s.connecting_ = connecting;
    s.watched_ = connecting ? EPOLLOUT : EPOLLIN;
    watch(EPOLL_CTL_ADD, fd, s.watched_, reinterpret_cast<std::uintptr_t>(&s));
    streams_[id] = std::move(stream);
  } catch (...) {
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    service_.session_closed(id);
    throw;
  }
  s.fd_ = fd;
  unstored(s);
  return s;
}

// After an exception of on_open() the session has ended, and its fd is the caller's.
inline void Engine::opened(Stream& s) {
  try {
    unstored(s);  // also where on_open() changes nothing
    s.begin_layer();
    s.on_open(false);
  } catch (...) {
    if (s.second_) drop_second(*s.second_);
    leave(s);
    throw;
  }
}

// The kernel has an answer to connect(2). An event of the batch at hand may be of the socket that
// this Stream had before.
inline void Engine::connected(Stream& s) {
  pollfd now{s.fd_, POLLOUT, 0};
  if (::poll(&now, 1, 0) < 1) return;
  int error = 0;
  socklen_t size = sizeof error;
  (void)::getsockopt(s.fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return refused(s, error);
  s.connecting_ = false;
  touch(s);
  s.on_connected();
  if (!s.dead_) enqueue(s);
}

inline void Engine::refused(Stream& s, int error) {
  s.connecting_ = false;
  s.refused_ = 0;
  touch(s);
  if (s.is_second_) drop_second(s);
  s.on_refused(error);
  if (s.dead_ || s.connecting_) return;                            // it tries another address
  if (s.is_second_ && s.fd_ >= 0) return;                          // it has another socket
  if (s.mate_ != nullptr && s.closing_) return enqueue(*s.mate_);  // the client gets a last answer
  end(s);
}

inline Stream* Engine::by_key(std::uint64_t key) const {
  const auto it = streams_.find(key & ~kSecond);
  if (it == streams_.end()) return nullptr;
  return (key & kSecond) != 0 ? it->second->second_.get() : it->second.get();
}

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_CONNECT_HPP
