// The fds that belong to sessions beside their sockets: a pty, a pipe, the socket of an upstream.
// They are found by session and name; most sessions have none.
//
// The fds are the service's and borrowed, but for those that have come from a donor and that
// restore() has not taken yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libhandoff/base/unique_fd.h"

namespace handoff::io {

struct SessionFd {
  std::string name;
  // Its identity when it was named (invariant I6, docs/invariants.md).
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  int fd = -1;               // the service's; -1 while it is in untaken
  bool nonblocking = false;  // as SessionEntry's
  bool sent = false;         // in the handoff under way: the heir has it
  UniqueFd untaken = {};

  int number() const { return untaken.valid() ? untaken.get() : fd; }
};

class SessionFds {
 public:
  using List = std::vector<SessionFd>;

  // A session's; empty if it has none.
  const List& of(std::uint64_t id) const;
  List& of(std::uint64_t id);
  SessionFd* find(std::uint64_t id, std::string_view name);
  // One of the session's that restore() has left; nullptr if there is none.
  const SessionFd* untaken(std::uint64_t id) const;
  bool any() const { return !sessions_.empty(); }
  // Of all sessions.
  std::size_t count() const { return count_; }

  // In place of one of that name.
  void set(std::uint64_t id, SessionFd one);
  // False if there is none of that name.
  bool remove(std::uint64_t id, std::string_view name);
  void replace(std::uint64_t id, List list);
  // The session has ended.
  void forget(std::uint64_t id);
  // Takes all of another set, of other sessions.
  void take(SessionFds& other);
  void clear();

  // A handoff begins: the heir has none of the session's.
  void none_sent(std::uint64_t id);
  // Whether the session's fds are others than those that were sent last.
  bool changed(std::uint64_t id) const;
  // The heir has all of the session's.
  void all_sent(std::uint64_t id);

 private:
  struct Of {
    List list;
    bool changed = true;
  };
  std::unordered_map<std::uint64_t, Of> sessions_;
  std::size_t count_ = 0;
};

}  // namespace handoff::io
