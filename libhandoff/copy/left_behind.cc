#include "libhandoff/copy/left_behind.h"

#include <algorithm>
#include <utility>

#include "libhandoff/base/text.h"
#include "libhandoff/protocol/limits.h"

namespace handoff::io {

bool LeftBehind::add(std::uint64_t id, const SessionEntry& entry, core::FaultOf fault,
                     std::string reason) {
  if (!ids_.try_emplace(id, fault).second) return false;
  if (first_.size() == protocol::kMaxUnmovable) return true;
  std::string peer = peer_of(entry);
  if (peer.size() > protocol::kMaxPeer) peer.resize(protocol::kMaxPeer);
  first_.push_back({id, std::move(peer), fault, printable(reason, protocol::kMaxRefusal)});
  return true;
}

void LeftBehind::forget(std::uint64_t id) {
  if (ids_.erase(id) == 0) return;
  std::erase_if(first_, [id](const protocol::Unmoved& one) { return one.session == id; });
}

std::vector<protocol::Unmoved> LeftBehind::first() const { return first_; }

std::vector<std::uint64_t> LeftBehind::ids() const {
  std::vector<std::uint64_t> out;
  out.reserve(ids_.size());
  for (const auto& [id, fault] : ids_) out.push_back(id);
  return out;
}

}  // namespace handoff::io
