// What lane 0 of an heir, which decides, and the other lanes tell each other during the handoff; as
// handoff/donor_board.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/core/types.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/sys/poller.h"

namespace handoff::io {

class HeirBoard {
 public:
  enum class Order : std::uint8_t {
    kReceive,  // apply what comes
    kReadOut,  // the donor has died: the same to the channels' end
    kRestore,  // it is complete: restore and arm what is not yet
    kRun,      // the sockets are ours
    kGo,       // drop everything
  };
  struct Orders {
    Order order = Order::kReceive;
    bool keep = false;     // kRun: the donor died in mid-copy, keep what has not moved
    std::string why = {};  // kGo
  };
  // Of one lane.
  struct Standing {
    std::uint32_t round = 0;  // that has come whole
    bool prepared = false;    // all of the delta has come
    bool read_out = false;
    bool restored = false;
    bool running = false;
    std::uint64_t sessions = 0;
    std::uint64_t lost = 0;
    std::vector<std::uint64_t> lost_ids = {};
    std::uint64_t signs = 0;  // of life of the donor
    std::optional<core::Reason> failed = {};
    bool no_memory = false;  // not even for a reason
    protocol::Rehearsed notes = {};
  };

  // Borrows the pollers, which live as long as the service; pollers[0] is lane 0's.
  explicit HeirBoard(std::vector<const Poller*> pollers)
      : pollers_(std::move(pollers)), standing_(pollers_.size()) {}

  // -- lane 0
  void order(Orders orders) {
    {
      const std::lock_guard lock(mutex_);
      orders_ = std::move(orders);
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

 private:
  mutable std::mutex mutex_;
  std::vector<const Poller*> pollers_;
  Orders orders_;
  std::vector<Standing> standing_;
};

}  // namespace handoff::io
