#include "libhandoff/service/sessions.h"

#include <utility>

namespace handoff::io {

std::vector<std::uint64_t> Sessions::first_ids(std::size_t limit) const {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, entry] : map_) {
    if (ids.size() == limit) break;
    ids.push_back(id);
  }
  return ids;
}

SessionEntry& Sessions::add(std::uint64_t id, const SessionEntry& entry) {
  const auto [it, added] = map_.try_emplace(id, entry);
  if (!added) return it->second;
  if (!entry.tracked) ++untracked_;
  if (entry.held) ++held_;
  return it->second;
}

Sessions::iterator Sessions::remove(iterator it) {
  if (!it->second.tracked) --untracked_;
  if (it->second.held) --held_;
  return map_.erase(it);
}

void Sessions::track(SessionEntry& entry) {
  if (!entry.tracked) --untracked_;
  entry.tracked = true;
}

void Sessions::hold(SessionEntry& entry, bool held) {
  if (entry.held == held) return;
  entry.held = held;
  held ? ++held_ : --held_;
}

void Sessions::take(Sessions& other) {
  if (map_.empty()) {
    map_.swap(other.map_);
  } else {
    map_.merge(other.map_);
  }
  untracked_ += std::exchange(other.untracked_, 0);
  held_ += std::exchange(other.held_, 0);
}

void Sessions::clear() {
  map_.clear();
  untracked_ = 0;
  held_ = 0;
}

}  // namespace handoff::io
