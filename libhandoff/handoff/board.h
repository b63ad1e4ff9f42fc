// What lane 0, which decides, and the other lanes of a service tell each other during one handoff:
// an order for all of them, and how far each has come. Both are written over, not queued, so
// nothing here can fail in a freeze; whoever is told is woken, and looks.
//
// All lanes of the handoff share it. A lane that hung through the handoff keeps it until it wakes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "libhandoff/core/types.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/sys/poller.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {

// What each lane reports, on either side.
struct LaneReport {
  std::uint64_t signs = 0;  // of life of the peer
  std::optional<core::Reason> failed = {};
  bool no_memory = false;  // not even for a reason
  protocol::Rehearsed notes = {};
};

// LaneOrders has a member `order` of its type Order. LaneStanding is a LaneReport, and more.
template <class LaneOrders, class LaneStanding>
class Board {
 public:
  using Orders = LaneOrders;
  using Order = typename LaneOrders::Order;
  using Standing = LaneStanding;

  // Borrows the pollers, which live as long as the service; pollers[0] is lane 0's.
  explicit Board(std::vector<const Poller*> pollers)
      : pollers_(std::move(pollers)), standing_(pollers_.size()) {}

  // -- lane 0
  void order(Orders orders) {
    {
      const std::lock_guard lock(mutex_);
      orders_ = std::move(orders);
    }
    for (std::size_t i = 1; i < pollers_.size(); ++i) pollers_[i]->wake();
  }
  // Shows each of the other lanes' standings, under the lock.
  void look(const std::function<void(const Standing&)>& at) const {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 1; i < standing_.size(); ++i) at(standing_[i]);
  }
  // Takes something out of each of them, under the lock.
  void take(const std::function<void(Standing&)>& from) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 1; i < standing_.size(); ++i) from(standing_[i]);
  }
  bool all(const std::function<bool(const Standing&)>& is) const {
    bool yes = true;
    look([&](const Standing& standing) { yes = yes && is(standing); });
    return yes;
  }
  std::uint64_t sum(std::uint64_t Standing::*field) const {
    std::uint64_t all = 0;
    look([&](const Standing& standing) { all += standing.*field; });
    return all;
  }
  std::uint64_t signs() const {
    std::uint64_t all = 0;
    look([&](const Standing& standing) { all += standing.signs; });
    return all;
  }
  // Why one of them can't go on.
  std::optional<core::Reason> failure() const {
    std::optional<core::Reason> first;
    look([&](const Standing& standing) {
      if (first) return;
      if (standing.no_memory) first = out_of_memory();
      if (standing.failed) first = standing.failed;
    });
    return first;
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

 protected:
  mutable std::mutex mutex_;
  std::vector<const Poller*> pollers_;
  Orders orders_;
  std::vector<Standing> standing_;
};

}  // namespace handoff::io
