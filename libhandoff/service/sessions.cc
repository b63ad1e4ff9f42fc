#include "libhandoff/service/sessions.h"

#include <algorithm>
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

std::optional<std::uint64_t> Sessions::of_socket(int fd, std::uint64_t inode) const {
  const auto number = static_cast<std::size_t>(fd);
  if (number >= fds_.size() || !fds_[number]) return std::nullopt;
  // A service that closed an fd and did not say so has a session with that number, too.
  const auto found = std::find_if(map_.begin(), map_.end(), [&](const auto& session) {
    return session.second.fd == fd && session.second.inode == inode;
  });
  if (found == map_.end()) return std::nullopt;
  return found->first;
}

void Sessions::note_fd(int fd, bool used) {
  if (fd < 0) return;
  const auto number = static_cast<std::size_t>(fd);
  if (number >= fds_.size()) fds_.resize(std::max(number + 1, 2 * fds_.size()));
  fds_[number] = used;
}

SessionEntry& Sessions::add(std::uint64_t id, const SessionEntry& entry) {
  const auto [it, added] = map_.try_emplace(id, entry);
  if (!added) return it->second;
  note_fd(entry.fd, true);
  if (!entry.tracked) ++untracked_;
  if (entry.held) ++held_;
  return it->second;
}

Sessions::iterator Sessions::remove(iterator it) {
  if (!it->second.tracked) --untracked_;
  if (it->second.held) --held_;
  if (it->second.stays) why_.erase(it->first);
  note_fd(it->second.fd, false);
  own_fds_.forget(it->first);
  return map_.erase(it);
}

void Sessions::track(SessionEntry& entry) {
  if (!entry.tracked) --untracked_;
  entry.tracked = true;
}

void Sessions::hold(SessionEntry& entry, bool held) {
  if (!held) entry.hold_until = 0;
  if (entry.held == held) return;
  entry.held = held;
  held ? ++held_ : --held_;
}

void Sessions::stay(std::uint64_t id, SessionEntry& entry, std::optional<std::string> why) {
  ++stay_changes_;
  entry.stays = why.has_value();
  if (why) {
    why_[id] = std::move(*why);
  } else {
    why_.erase(id);
  }
}

std::vector<core::Staying> Sessions::staying() const {
  std::vector<core::Staying> out;
  for (const auto& [id, why] : why_) core::add(out, {why, 1});
  return out;
}

void Sessions::forget_fd(SessionEntry& entry) {
  note_fd(entry.fd, false);
  entry.fd = -1;
}

void Sessions::take(Sessions& other) {
  if (map_.empty()) {
    map_.swap(other.map_);
    fds_.swap(other.fds_);
  } else {
    for (const auto& [id, entry] : other.map_) note_fd(entry.fd, true);
    map_.merge(other.map_);
  }
  other.fds_.clear();
  own_fds_.take(other.own_fds_);
  untracked_ += std::exchange(other.untracked_, 0);
  held_ += std::exchange(other.held_, 0);
  why_.merge(other.why_);
  other.why_.clear();
}

void Sessions::clear() {
  map_.clear();
  fds_.clear();
  own_fds_.clear();
  untracked_ = 0;
  held_ = 0;
  why_.clear();
}

}  // namespace handoff::io
