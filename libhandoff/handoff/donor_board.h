// The board of a donor's lanes.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "libhandoff/copy/progress.h"
#include "libhandoff/handoff/board.h"

namespace handoff::io {

struct DonorOrders {
  enum class Order : std::uint8_t {
    kCopy,    // the round, while serving
    kFreeze,  // stop touching sockets and state, and stay so
    kSave,    // all lanes are frozen: send what has changed
    kOver,    // the handoff failed: thaw, go on as before
    kRetire,  // the sessions are the heir's
    kStay,    // but for those that stay here
  };
  Order order = Order::kCopy;
  std::uint32_t round = 0;
  core::Time frozen_at = 0;  // kFreeze: by lane 0
  core::Duration budget = 0;
  bool heir_lost = false;  // kRetire, kStay: and it died with them
  // Sessions of any lane that the heir does not take.
  std::shared_ptr<const std::vector<protocol::Refusal>> refused = {};
};

struct DonorStanding : LaneReport {
  std::uint32_t round = 0;  // sent
  bool frozen = false;
  bool saved = false;  // its delta is sent
  bool retired = false;
  std::vector<protocol::Unmoved> left = {};  // the first that can't be moved
  std::vector<std::uint64_t> staying = {};   // the first of those that stay
  Progress progress = {};                    // but for what is dirty, which the board has
};

class DonorBoard : public Board<DonorOrders, DonorStanding> {
 public:
  explicit DonorBoard(std::vector<const Poller*> pollers)
      : Board(std::move(pollers)), dirty_(standing_.size()) {}

  // -- lane 0
  Progress progress() const {
    Progress sum;
    look([&](const Standing& lane) { sum += lane.progress; });
    sum.dirty = 0;
    for (const auto& lane : dirty_) sum.dirty += lane.load(std::memory_order_relaxed);
    return sum;
  }

  // -- another lane
  // Sessions that have changed since they were sent; told without waking anybody.
  void set_dirty(std::size_t lane, std::uint64_t dirty) {
    dirty_[lane].store(dirty, std::memory_order_relaxed);
  }
  // The lane has retired; true for the last of all.
  bool retire(std::size_t lane) {
    const std::lock_guard lock(mutex_);
    standing_[lane].retired = true;
    for (const Standing& standing : standing_) {
      if (!standing.retired) return false;
    }
    return true;
  }

 private:
  std::vector<std::atomic<std::uint64_t>> dirty_;
};

}  // namespace handoff::io
