// The donor's sessions of one line that can't be moved, in this handoff: why not, and what becomes
// of them.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "libhandoff/core/unmovable.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

class LeftBehind {
 public:
  bool empty() const { return ids_.empty(); }
  bool has(std::uint64_t id) const { return ids_.contains(id); }
  std::uint64_t size() const { return ids_.size(); }

  // False: it is known already.
  bool add(std::uint64_t id, const SessionEntry& entry, core::FaultOf fault, std::string reason);
  // The session has ended.
  void forget(std::uint64_t id);

  // The first of them, with their reasons.
  std::vector<protocol::Unmoved> first() const;
  std::vector<std::uint64_t> ids() const;

 private:
  std::unordered_map<std::uint64_t, core::FaultOf> ids_;
  std::vector<protocol::Unmoved> first_;
};

}  // namespace handoff::io
