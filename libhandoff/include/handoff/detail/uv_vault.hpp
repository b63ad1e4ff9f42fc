// How a Host keeps its sessions in the vault (handoff/vault.h): the part of uv.hpp that its users
// need not read.
//
// A turn is one transaction: what its events did to Streams is committed before anything is sent,
// and before a socket is closed. So on_closed() of those that have ended comes before the commit,
// and what it does to others is part of it.
#ifndef HANDOFF_DETAIL_UV_VAULT_HPP
#define HANDOFF_DETAIL_UV_VAULT_HPP

#include <handoff/vault.h>
#include <handoff/uv.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace handoff::uv {

// As accept4(2). The vault knows beforehand of what kind the connection is.
inline int Engine::accept(const Listener& listener) const {
  if (kept_) handoff_vault_accepting(service_.raw(), listener.options.kind.c_str(), 0);
  const int fd = ::accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0 || !kept_) return fd;
  const int error = errno;
  handoff_vault_accepting(service_.raw(), nullptr, 1);
  errno = error;
  return fd;
}

// One of which nothing was committed before its process died: as if it were accepted now.
inline void Engine::begin_fresh(Stream& s) {
  const int fd = s.fd_;
  try {
    opened(s);
  } catch (const std::exception& e) {
    detail::complain(std::string("a new connection was closed: on_open() threw: ") + e.what());
    dispose(fd, detail::SocketEnd::kShut);
  }
}

inline void Engine::unstored(Stream& any) {
  Stream& s = any.first();
  if (!kept_ || s.unstored_) return;
  unstored_.push_back(s.id_);
  s.unstored_ = true;
  if (!in_batch_ && !flushing_) schedule();
}

// The bytes are at *data until the next commit.
inline ssize_t Engine::receive(Stream& s, const char** data) {
  *data = buffer_.data();
  if (!kept_ || s.is_second_) {
    return ::recv(s.fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  }
  const auto receive = [&] {
    const void* bytes = nullptr;
    const ssize_t n = handoff_vault_recv(service_.raw(), s.id_, s.input_from_ + s.input_.size(),
                                         buffer_.data(), buffer_.size(), &bytes);
    *data = static_cast<const char*>(bytes);
    return n;
  };
  ssize_t n = receive();
  if (n == -ENOBUFS) {
    commit_so_far();
    n = receive();
  }
  if (n >= 0) return n;
  errno = static_cast<int>(-n);
  return -1;
}

// By index: save() may throw, and on_closed() may change others.
inline void Engine::commit() {
  if (!kept_) return;
  for (std::size_t i = 0; i < unstored_.size(); ++i) {
    Stream* const s = live(unstored_[i]);
    if (s == nullptr) continue;
    s->unstored_ = false;
    s->store_again_ = handoff_vault_put(service_.raw(), s->id_) == 1;
  }
  unstored_.clear();
  handoff_vault_commit(service_.raw());
  kept_ = handoff_vault(service_.raw()) > 0;
  for (const detail::Doomed& one : std::exchange(doomed_, {})) end_socket(one.fd, one.how);
}

// Between two events, or two Streams, everything is whole.
inline void Engine::commit_so_far() {
  tell_ended();
  commit();
}

inline void Engine::commit_all() {
  bury();
  commit();
}

// Ends the socket of a session that has ended: now, or once that is committed.
inline void Engine::dispose(int fd, detail::SocketEnd how) {
  if (fd < 0) return;
  if (kept_) {
    doomed_.push_back({fd, how});
  } else {
    end_socket(fd, how);
  }
}

inline void Engine::end_socket(int fd, detail::SocketEnd how) {
  if (how == detail::SocketEnd::kLinger) return let_linger(fd);
  // While the donor still has the socket open, close(2) alone would tell the client nothing.
  if (how == detail::SocketEnd::kShut) ::shutdown(fd, SHUT_RDWR);
  ::close(fd);
}

// What on_closed() does to others belongs to the turn in which the session has ended.
inline void Engine::tell_ended() {
  for (; told_ < ended_.size(); ++told_) {
    const auto it = streams_.find(ended_[told_]);
    if (it != streams_.end()) tell("on_closed()", [&] { it->second->on_closed(); });
  }
}

inline void Engine::bury() {
  for (std::size_t i = 0; i < ended_.size(); ++i) {
    const auto it = streams_.find(ended_[i]);
    if (it == streams_.end()) continue;
    if (i >= told_) tell("on_closed()", [&] { it->second->on_closed(); });
    streams_.erase(ended_[i]);
  }
  ended_.clear();
  told_ = 0;
}

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_VAULT_HPP
