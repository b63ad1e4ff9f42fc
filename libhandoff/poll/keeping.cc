// How the kit keeps its connections in the vault (handoff/vault.h).
//
// A turn is one transaction: what its events did to connections is committed before anything is
// sent, and before a socket is closed. So closed() of those that have ended comes before the
// commit, and what it does to others is part of it.
#include "handoff/vault.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "libhandoff/poll/kit.h"

void handoff_poll::unstored(handoff_conn& any) {
  handoff_conn& c = any.first();
  if (!kept_ || c.unstored) return;
  unstored_.push_back(c.id);
  c.unstored = true;
  if (!in_turn_) wake();
}

// As accept4(2). The vault knows beforehand of what kind the connection is.
int handoff_poll::accept(const Listener& listener) const {
  if (kept_) handoff_vault_accepting(handle_, listener.kind.c_str(), 0);
  const int fd = ::accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0 || !kept_) return fd;
  const int error = errno;
  handoff_vault_accepting(handle_, nullptr, 1);
  errno = error;
  return fd;
}

// A connection that was just accepted, or was when its process died.
void handoff_poll::begin(handoff_conn& c) {
  unstored(c);  // also where opened() changes nothing
  if (c.layer().begin != nullptr) c.layer().begin(&c);
  if (c.ops().opened == nullptr || c.ops().opened(&c) >= 0) return;
  c.refused = true;
  end(c);
}

// The bytes are at *data until the next commit. As recv(2).
ssize_t handoff_poll::receive(handoff_conn& c, const char** data) {
  *data = buffer_.data();
  if (!kept_ || c.is_second) return ::recv(c.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  for (bool again = false;; again = true) {
    const void* bytes = nullptr;
    const ssize_t n = handoff_vault_recv(handle_, c.id, c.input_from + c.input.size(),
                                         buffer_.data(), buffer_.size(), &bytes);
    if (n == -ENOBUFS && !again) {
      commit_so_far();
      continue;
    }
    *data = static_cast<const char*>(bytes);
    if (n >= 0) return n;
    errno = static_cast<int>(-n);
    return -1;
  }
}

// By index: closed() may end others.
void handoff_poll::tell_ended() {
  for (; told_ < ended_.size(); ++told_) {
    const auto it = conns_.find(ended_[told_]);
    if (it == conns_.end() || it->second->refused) continue;
    if (it->second->ops().closed != nullptr) it->second->ops().closed(it->second.get());
  }
}

void handoff_poll::bury() {
  for (std::size_t i = 0; i < ended_.size(); ++i) {
    const std::uint64_t id = ended_[i];
    const auto it = conns_.find(id);
    if (it == conns_.end()) continue;
    handoff_conn& c = *it->second;
    if (i >= told_ && !c.refused && c.ops().closed != nullptr) c.ops().closed(&c);
    destroy(c);
    conns_.erase(id);  // either may have opened a connection, and the iterator is no more
  }
  ended_.clear();
  told_ = 0;
}

// Between two events, or two connections, everything is whole.
void handoff_poll::commit_so_far() {
  tell_ended();
  commit();
}

void handoff_poll::commit() {
  if (!kept_) return;
  for (std::size_t i = 0; i < unstored_.size(); ++i) {
    handoff_conn* const c = find(unstored_[i]);
    if (c == nullptr) continue;
    c->unstored = false;
    c->store_again = handoff_vault_put(handle_, c->id) == 1;
  }
  unstored_.clear();
  (void)handoff_vault_commit(handle_);
  kept_ = handoff_vault(handle_) > 0;
  for (const Doomed& one : std::exchange(doomed_, {})) end_socket(one.fd, one.how);
}

// Ends the socket of a session that has ended: now, or once that is committed.
void handoff_poll::dispose(int fd, SocketEnd how) {
  if (fd < 0) return;
  if (kept_) {
    doomed_.push_back({fd, how});
  } else {
    end_socket(fd, how);
  }
}

void handoff_poll::end_socket(int fd, SocketEnd how) {
  if (how == SocketEnd::kLinger) return let_linger(fd);
  // While the donor still has the socket open, close(2) alone would tell the client nothing.
  if (how == SocketEnd::kShut) (void)::shutdown(fd, SHUT_RDWR);
  ::close(fd);
}
