// What lane 0 of a donor, which decides, and the other lanes tell each other during one handoff: an
// order for all of them, and how far each has come. Both are written over, not queued, so nothing
// here can fail in a freeze; whoever is told is woken, and looks.
//
// Shared by all lanes of the handoff, and by a lane that hung through it until that wakes up.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "libhandoff/core/types.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/sys/poller.h"

namespace handoff::io {

class DonorBoard {
 public:
  enum class Order : std::uint8_t {
    kCopy,    // the round, while serving
    kFreeze,  // stop touching sockets and state, and stay so
    kSave,    // all lanes are frozen: send what has changed
    kOver,    // the handoff failed: thaw, go on as before
    kRetire,  // the sessions are the heir's
  };
  struct Orders {
    Order order = Order::kCopy;
    std::uint32_t round = 0;
    bool heir_lost = false;  // kRetire: and it died with them
  };
  // Of one lane.
  struct Standing {
    std::uint32_t round = 0;  // sent
    bool frozen = false;
    bool saved = false;  // its delta is sent
    bool retired = false;
    std::uint64_t at_heir = 0;
    std::uint64_t sessions_sent = 0;
    std::uint64_t bytes = 0;
    std::uint64_t signs = 0;  // of life of the heir
    std::optional<core::Reason> failed = {};
    bool no_memory = false;  // not even for a reason
    protocol::Rehearsed notes = {};
  };

  // Borrows the pollers, which live as long as the service; lanes[0] is lane 0's.
  explicit DonorBoard(std::vector<const Poller*> pollers)
      : pollers_(std::move(pollers)), standing_(pollers_.size()), dirty_(pollers_.size()) {}

  // -- lane 0
  void order(const Orders& orders) {
    {
      const std::lock_guard lock(mutex_);
      orders_ = orders;
    }
    for (std::size_t i = 1; i < pollers_.size(); ++i) pollers_[i]->wake();
  }
  // Looks at each of the other lanes.
  void look(const std::function<void(const Standing&)>& at) const {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 1; i < standing_.size(); ++i) at(standing_[i]);
  }
  bool all(const std::function<bool(const Standing&)>& is) const {
    bool yes = true;
    look([&](const Standing& standing) { yes = yes && is(standing); });
    return yes;
  }
  std::uint64_t dirty() const {
    std::uint64_t sum = 0;
    for (const auto& lane : dirty_) sum += lane.load(std::memory_order_relaxed);
    return sum;
  }

  // -- another lane
  Orders orders() const {
    const std::lock_guard lock(mutex_);
    return orders_;
  }
  void report(std::size_t lane, const std::function<void(Standing&)>& change) {
    {
      const std::lock_guard lock(mutex_);
      change(standing_[lane]);
    }
    pollers_[0]->wake();
  }
  // Sessions that have changed since they were sent; told without waking anybody.
  void set_dirty(std::size_t lane, std::uint64_t dirty) {
    dirty_[lane].store(dirty, std::memory_order_relaxed);
  }
  // It has retired; true for the last of all.
  bool retire(std::size_t lane) {
    const std::lock_guard lock(mutex_);
    standing_[lane].retired = true;
    for (const Standing& standing : standing_) {
      if (!standing.retired) return false;
    }
    return true;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<const Poller*> pollers_;
  Orders orders_;
  std::vector<Standing> standing_;
  std::vector<std::atomic<std::uint64_t>> dirty_;
};

}  // namespace handoff::io
