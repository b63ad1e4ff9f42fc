// A set of sessions and what is known of each: those that a process has, or those that an heir has
// been given and does not own yet. It counts what would else be looked for in a freeze.
//
// It borrows session fds, which are the service's.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "libhandoff/protocol/messages.h"

namespace handoff::io {

struct SessionEntry {
  // Of the socket at fd when the session was opened: its identity (invariant I6,
  // docs/invariants.md).
  std::uint64_t inode = 0;
  int fd = -1;
  std::uint32_t kind = 0;  // index into Registry::kinds
  bool tracked = false;    // whoever changes it says so: by Sessions::track()
  bool independent = false;
  bool held = false;     // in the middle of something: it stays at a switch; by Sessions::hold()
  bool away = false;     // in a group on a link: nobody here may touch it
  bool refused = false;  // a taker did not want it
  // Of the handoff under way: the heir has its fd; it waits to be saved (again).
  bool copied = false;
  bool queued = false;
  std::uint64_t saved_hash = 0;
  // Of one that has arrived: the service has had it; where its stream stood at the snapshot, if it
  // is independent.
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

  // Sessions that nobody touches when they change: saved again at every freeze.
  std::uint64_t untracked() const { return untracked_; }
  std::uint64_t held() const { return held_; }

  // So that the first n of them need no growing on the way.
  void reserve(std::size_t n) { map_.reserve(n); }
  SessionEntry& add(std::uint64_t id, const SessionEntry& entry);
  iterator remove(iterator it);
  void track(SessionEntry& entry);
  void hold(SessionEntry& entry, bool held);
  // All of other's, which is empty then. At once if there are none here.
  void take(Sessions& other);
  void clear();

 private:
  Map map_;
  std::uint64_t untracked_ = 0;
  std::uint64_t held_ = 0;
};

}  // namespace handoff::io
