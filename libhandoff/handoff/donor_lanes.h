// A donor's lanes as lane 0 sees them: its own lines, the main channel first, and the other lanes.
// DonorLanes makes the lines, passes on what core/donor has decided, and says when all have done
// it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "libhandoff/core/lanes.h"
#include "libhandoff/core/pace.h"
#include "libhandoff/handoff/donor_board.h"
#include "libhandoff/handoff/donor_channels.h"
#include "libhandoff/handoff/lane.h"

namespace handoff::io {

class DonorLanes {
 public:
  // Borrows the other lanes of the service. Takes the main channel.
  DonorLanes(Registry& registry, const Poller& poller, std::vector<Lane*> others, Channel main,
             bool rehearsal);
  ~DonorLanes();  // the handoff is over, if they have not heard otherwise
  DonorLanes(const DonorLanes&) = delete;
  DonorLanes& operator=(const DonorLanes&) = delete;

  DonorLine& main() { return own_.main(); }
  const DonorLine& main() const { return own_.main(); }
  // Lane 0's own lines.
  DonorChannels& own() { return own_; }
  const DonorChannels& own() const { return own_; }

  // From the two Hellos. Sends the heir its ends of the other lines over the main channel, if there
  // are others, and gives each lane its own.
  Result<void> open(const core::Lanes& lanes, const Terms& terms, bool rehearsal);

  Result<void> begin_round(std::uint32_t round);
  bool round_sent() const;
  // Lane 0 does it itself.
  void freeze(core::Time frozen_at, core::Duration budget);
  bool frozen() const;
  Result<void> save();
  // All of the delta is sent but for Prepare.
  bool saved() const;
  void over();
  // stays: the process keeps some sessions, in whatever lanes.
  void retire_others(bool heir_lost, bool stays);
  // After lane 0's callback: the service may have the named fds in an epoll set of its own. The
  // last of the lanes closes them.
  void retire();

  // Sessions of any lane that the heir does not take. after_delta: as SessionSender.
  void refused(const std::vector<protocol::Refusal>& refusals, bool after_delta);
  // Of those that can't be moved as many as a message names.
  std::vector<protocol::Unmoved> first_left() const;

  // As many of those that stay as a message names.
  std::vector<std::uint64_t> first_staying() const;
  std::vector<std::uint64_t> first_closing() const;

  // Why one of them can't go on.
  std::optional<core::Reason> failure() const;
  // The heir has given a sign of life by another line than the main channel since this was asked
  // last.
  bool progressed();

  std::uint64_t sessions() const;  // of all lanes, whether they are at the heir or not
  // The fds of sessions beside their sockets.
  std::uint64_t own_fds() const;
  std::uint64_t untracked() const;  // of these
  Progress progress() const;
  void add_notes(Rehearsal& to) const;

 private:
  Registry& registry_;
  std::vector<Lane*> others_;
  std::shared_ptr<DonorBoard> board_;
  DonorChannels own_;
  std::shared_ptr<const std::vector<protocol::Refusal>> refused_;
  std::uint64_t refused_late_ = 0;  // of other lanes, after their delta
  core::Unmovable unmovable_ = core::Unmovable::kRefuse;
  std::uint32_t round_ = 0;
  std::uint64_t signs_ = 0;
  bool retired_ = false;
  bool over_ = false;
};

}  // namespace handoff::io
