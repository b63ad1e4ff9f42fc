// A donor's lanes as lane 0 sees them: all channels of the handoff but the main one, those of lane
// 0 itself among them. It makes the channels, passes on what core/donor has decided, and says when
// all of them have done it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "libhandoff/core/lanes.h"
#include "libhandoff/core/pace.h"
#include "libhandoff/handoff/donor_board.h"
#include "libhandoff/handoff/donor_channels.h"
#include "libhandoff/handoff/lane.h"
#include "libhandoff/handoff/shell.h"

namespace handoff::io {

class DonorLanes {
 public:
  // Borrows the other lanes of the service.
  DonorLanes(Registry& registry, const Poller& poller, std::vector<Lane*> others);
  ~DonorLanes();  // the handoff is over, if they have not heard otherwise
  DonorLanes(const DonorLanes&) = delete;
  DonorLanes& operator=(const DonorLanes&) = delete;

  // Sends the heir its ends over the main channel, which is main_copier's, and gives each lane its
  // own.
  Result<void> open(const core::Lanes& lanes, Channel& main, Copier& main_copier,
                    const Copier::Terms& terms, bool rehearsal);

  // Lane 0's own: readable when turn() has something to do; and whether there is more to send at
  // once.
  std::optional<int> fd() const;
  Result<bool> turn(core::Pace::Turn turn);
  std::uint64_t frames_sent() const { return own_ ? own_->frames_sent() : 0; }

  Result<void> begin_round(std::uint32_t round);
  bool round_sent() const;
  void freeze();  // lane 0 does it itself
  bool frozen() const;
  Result<void> save();
  bool saved() const;
  void over();
  // After lane 0 has.
  void retire(bool heir_lost);

  // Why one of them can't go on.
  std::optional<core::Reason> failure() const;
  // The heir has given a sign of life since this was asked last.
  bool progressed();

  // Sessions of lane 0's own channels that stay here. Only a service with one lane has any.
  std::vector<std::uint64_t> staying() const {
    return own_ ? own_->staying() : std::vector<std::uint64_t>{};
  }

  // Sums.
  std::uint64_t sessions() const;   // of the other lanes, whether they are at the heir or not
  std::uint64_t untracked() const;  // of these
  std::uint64_t at_heir() const;
  std::uint64_t at_heir_of_others() const;
  std::uint64_t dirty() const;
  std::uint64_t sessions_sent() const;
  std::uint64_t bytes() const;
  void add_notes(Rehearsal& to) const;

 private:
  Registry& registry_;
  std::vector<Lane*> others_;
  std::shared_ptr<DonorBoard> board_;
  std::unique_ptr<DonorChannels> own_;  // none if the main channel is all that lane 0 has
  std::uint32_t round_ = 0;
  std::uint64_t signs_ = 0;
  bool retired_ = false;
};

}  // namespace handoff::io
