// A set of sessions and what is known of each: those that a process has, or those that an heir has
// been given and does not own yet. The set keeps counts, so that a freeze need not walk through it.
//
// Session fds are the service's; the set borrows them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "libhandoff/core/staying.h"
#include "libhandoff/core/types.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/service/session_fds.h"

namespace handoff::io {

struct SessionEntry {
  // The identity of the socket at fd when the session was opened (invariant I6,
  // docs/invariants.md).
  std::uint64_t inode = 0;
  int fd = -1;
  std::uint32_t kind = 0;  // index into Registry::kinds
  bool no_fd = false;      // a session without a socket
  bool tracked = false;    // the service says when it changes; set by Sessions::track()
  bool independent = false;
  bool held = false;  // busy: stays here at a switch; set by Sessions::hold()
  // When it is released by itself; 0: never.
  core::Time hold_until = 0;
  bool stays = false;     // with this process, by its service's word; set by Sessions::stay()
  bool unrested = false;  // held since it did not come to rest in the freeze
  bool away = false;      // in a group on a link: nobody here may touch it
  bool refused = false;   // a taker has refused it; in an heir: its service has
  // Had O_NONBLOCK when it was sent to an heir, or came from a donor.
  bool nonblocking = false;
  // In the handoff under way: the heir has the fd; the session waits to be saved (again).
  bool copied = false;
  bool queued = false;
  std::uint64_t saved_hash = 0;
  // In an heir: restore() has had the session; the byte counters at its snapshot are known, which
  // an independent session needs.
  bool given = false;
  bool counted = false;
  protocol::Counters counters = {};
};

class Sessions {
 public:
  using Map = std::unordered_map<std::uint64_t, SessionEntry>;
  using iterator = Map::iterator;
  using const_iterator = Map::const_iterator;

  std::size_t size() const { return map_.size(); }
  bool empty() const { return map_.empty(); }
  bool contains(std::uint64_t id) const { return map_.contains(id); }
  iterator find(std::uint64_t id) { return map_.find(id); }
  SessionEntry& at(std::uint64_t id) { return map_.at(id); }
  const SessionEntry& at(std::uint64_t id) const { return map_.at(id); }
  iterator begin() { return map_.begin(); }
  iterator end() { return map_.end(); }
  const_iterator begin() const { return map_.begin(); }
  const_iterator end() const { return map_.end(); }

  // The session that has that socket under that fd.
  std::optional<std::uint64_t> of_socket(int fd, std::uint64_t inode) const;
  // Of some of them, at most so many.
  std::vector<std::uint64_t> first_ids(std::size_t limit) const;
  // A walk through all of them in several steps, while some come and go.
  struct Walk {
    std::size_t bucket = 0;
    std::size_t buckets = 0;
  };
  // Calls f(id, entry) for the next ones, of at most so many places of the table; f must neither
  // add nor remove any. False: all that were here from begin to end have been visited.
  template <class F>
  bool walk(Walk& at, std::size_t places, F&& f) {
    // A table that has grown in between has another order, and is walked through anew.
    if (at.buckets != map_.bucket_count()) at = {0, map_.bucket_count()};
    const std::size_t end = std::min(at.buckets, at.bucket + places);
    for (; at.bucket < end; ++at.bucket) {
      for (auto it = map_.begin(at.bucket); it != map_.end(at.bucket); ++it) {
        f(it->first, it->second);
      }
    }
    return at.bucket < at.buckets;
  }
  // How many sessions are not tracked, so that every freeze saves them again.
  std::uint64_t untracked() const { return untracked_; }
  std::uint64_t held() const { return held_; }
  // How many stay by their service's word, and for which reasons.
  std::uint64_t stay() const { return why_.size(); }
  std::vector<core::Staying> staying() const;
  // Grows with each stay().
  std::uint64_t stay_changes() const { return stay_changes_; }
  // Of a session that stays.
  const std::string& why_it_stays(std::uint64_t id) const { return why_.at(id); }
  // The fds of sessions beside their sockets.
  SessionFds& fds() { return own_fds_; }
  const SessionFds& fds() const { return own_fds_; }
  // The session has fds that a peer must know of: others than a socket.
  bool has_own_fds(std::uint64_t id, const SessionEntry& entry) const {
    return entry.no_fd || !own_fds_.of(id).empty();
  }

  // Makes room for n sessions at once.
  void reserve(std::size_t n) { map_.reserve(n); }
  SessionEntry& add(std::uint64_t id, const SessionEntry& entry);
  iterator remove(iterator it);
  void track(SessionEntry& entry);
  void hold(SessionEntry& entry, bool held);
  // why: nullopt if it does not stay.
  void stay(std::uint64_t id, SessionEntry& entry, std::optional<std::string> why);
  // The session has no fd any more.
  void forget_fd(SessionEntry& entry);
  // Takes all sessions of other, which is empty afterwards; O(1) if this set is empty.
  void take(Sessions& other);
  void clear();

 private:
  void note_fd(int fd, bool used);

  Map map_;
  // By fd: a session may have it. So an fd that none has costs no search.
  std::vector<bool> fds_;
  SessionFds own_fds_;
  std::uint64_t untracked_ = 0;
  std::uint64_t held_ = 0;
  std::unordered_map<std::uint64_t, std::string> why_;  // of those that stay
  std::uint64_t stay_changes_ = 0;
};

}  // namespace handoff::io
