// The part of Links that is a late process's: what becomes of the sessions that it has left.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libhandoff/link/links.h"
#include "libhandoff/sys/process.h"

namespace handoff::io {

void Links::become_late(std::uint64_t handoff_id, std::optional<Channel> channel, UniqueFd peer,
                        core::Limits limits) {
  late_ = true;
  awaits_ways_ = lanes_ == nullptr && ways_come_;
  handoff_id_ = handoff_id;
  if (channel) {
    links_.push_back(
        std::make_unique<Link>(registry_, limits, std::move(*channel), std::move(peer), false));
  }
  turn();
}

void Links::to_owner(Channel channel, UniqueFd peer, core::Limits limits) {
  links_.push_back(
      std::make_unique<Link>(registry_, limits, std::move(channel), std::move(peer), false));
  told_.reset();  // being linked again is news
  turn();
}

void Links::leave(std::vector<std::uint64_t> ids, std::vector<protocol::Unmoved> first,
                  std::uint64_t closed) {
  left_ = std::move(ids);
  first_left_ = std::move(first);
  closed_ += closed;
}

void Links::drain(const protocol::Drain& order) {
  drain_ = order;
  over_ = false;
  if (late_) turn();
}

bool Links::stays_for_good(std::uint64_t id, const SessionEntry& entry) const {
  if (entry.refused || entry.stays) return true;
  const Link* const link = way_of(id);
  if (link == nullptr) return lanes_ != nullptr || !ways_come_;
  return link->knows_the_other() && !link->giving().carries(id, entry);
}

bool Links::moves_all() const { return over_ && drain_->policy == protocol::LatePolicy::kMove; }

// A session that is at rest and will not leave at once is told so: its client waits. One that is
// held has come to rest with all others, in the freeze. A link that has given a group up for time's
// sake pauses, and so does a lane whose way is over until the next one comes.
void Links::let_go_on() {
  if (!registry_.told.used()) return;
  const auto pauses = [this](std::uint64_t id) {
    const Link* const link = way_of(id);
    if (link == nullptr) return !awaits_ways_;
    return link->giving().idle() && !link->giving().can_give();
  };
  std::vector<std::uint64_t> on;
  for (const auto& [id, entry] : registry_.sessions) {
    if (entry.away || !registry_.told.rests(id)) continue;
    const bool held = entry.held && !entry.unrested && !moves_all();
    if (held || pauses(id) || stays_for_good(id, entry)) on.push_back(id);
  }
  for (const std::uint64_t id : on) {
    const auto it = registry_.sessions.find(id);
    if (it == registry_.sessions.end()) continue;  // the service has ended it meanwhile
    registry_.goes_on(id, it->second);
    registry_.tell("thaw_session()",
                   [&] { registry_.callbacks.thaw_session(registry_.callbacks_user, id); });
  }
}

void Links::give() {
  std::map<Link*, std::vector<std::uint64_t>> groups;
  for (const auto& link : links_) {
    if (link->can_give()) groups[link.get()];
  }
  if (groups.empty()) return;
  const bool all = moves_all();
  std::size_t full = 0;
  for (auto& [id, entry] : registry_.sessions) {
    if (entry.away || entry.refused || entry.stays || (entry.held && !all)) continue;
    const auto it = groups.find(way_of(id));
    if (it == groups.end() || !it->first->giving().carries(id, entry)) continue;
    if (!core::is_the_newer_ones(id, spread_)) continue;
    if (!registry_.can_leave(id)) {  // at the end of a drain, too: its state may be an old one
      registry_.await_rest(id, entry);
      continue;
    }
    auto& [link, group] = *it;
    const std::size_t most = link->giving().group_size();
    if (group.size() == most) continue;
    group.push_back(id);
    if (group.size() == most && ++full == groups.size()) break;
  }
  for (auto& [link, group] : groups) {
    // A callback for the group before may have ended some.
    std::erase_if(group, [this](std::uint64_t id) { return !registry_.sessions.contains(id); });
    if (!group.empty()) link->give(std::move(group));
  }
}

// The drain is over. A session that can't move is closed, and so is one that takes too long; what
// is in a group ends as it would.
void Links::end_waiting() {
  const bool first = !std::exchange(over_, true);
  if (drain_->policy == protocol::LatePolicy::kKeep) return;
  const bool last = drain_->policy == protocol::LatePolicy::kClose ||
                    now_us() >= static_cast<core::Time>(drain_->deadline_us) + kLastMoves;
  if (first && !registry_.sessions.empty()) {
    registry_.log(HANDOFF_LOG_WARNING,
                  "the drain is over, " + std::to_string(registry_.sessions.size()) +
                      " sessions are left: they are " + (last ? "closed" : "moved as they are"));
  }
  std::vector<std::uint64_t> closing;
  for (const auto& [id, entry] : registry_.sessions) {
    if (!entry.away && (last || stays_for_good(id, entry))) closing.push_back(id);
  }
  for (const std::uint64_t id : closing) {
    reset_session(registry_.sessions.at(id), registry_.sessions.fds().of(id));
    registry_.remove_session(id);
    ++closed_;
    if (registry_.callbacks.drop == nullptr) continue;
    registry_.tell("drop()", [&] { registry_.callbacks.drop(registry_.callbacks_user, id); });
  }
}

protocol::Late Links::standing() const {
  protocol::Late out{.handoff_id = handoff_id_,
                     .waiting = registry_.sessions.size(),
                     .moved = moved_before_,
                     .at_ns = now_ns(),
                     .linked = linked(),
                     .closed = closed_,
                     .unmoved = first_left_,
                     .staying = registry_.sessions.staying()};
  out.unmovable = static_cast<std::uint64_t>(
      std::count_if(left_.begin(), left_.end(),
                    [this](std::uint64_t id) { return registry_.sessions.contains(id); }));
  for (const auto& link : links_) out.moved += link->giving().moved();
  return out;
}

std::optional<protocol::Late> Links::news() {
  if (!late_) return std::nullopt;
  // In each turn of the loop, so nothing is made before.
  const News now{registry_.sessions.size(), registry_.sessions.stay_changes(), linked()};
  if (told_ == now) return std::nullopt;
  told_ = now;
  return standing();
}

bool Links::done() const { return late_ && !spreads() && registry_.sessions.empty(); }

}  // namespace handoff::io
