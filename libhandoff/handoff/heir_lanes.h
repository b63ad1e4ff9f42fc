// An heir's lanes as lane 0 sees them: its own lines, the main channel first, and the other lanes.
// HeirLanes passes on what core/heir has decided, and says when all have done it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/core/lanes.h"
#include "libhandoff/handoff/heir_board.h"
#include "libhandoff/handoff/heir_channels.h"
#include "libhandoff/handoff/lane.h"

namespace handoff::io {

class HeirLanes {
 public:
  // Borrows the other lanes of the service, which wait from here on for what is decided. Takes the
  // main channel; borrows rehearsal, into which it notes.
  HeirLanes(Registry& registry, const Poller& poller, std::vector<Lane*> others, Channel main,
            Rehearsal* rehearsal);
  HeirLanes(const HeirLanes&) = delete;
  HeirLanes& operator=(const HeirLanes&) = delete;

  HeirLine& main() { return own_.main(); }
  const HeirLine& main() const { return own_.main(); }
  // Lane 0's own lines.
  HeirChannels& own() { return own_; }
  const HeirChannels& own() const { return own_; }

  // From the two Hellos. sessions: how many the donor has. may_refuse: as SessionReceiver.
  void expect(const core::Lanes& lanes, std::vector<DonorKind> kinds, std::uint64_t sessions,
              bool may_refuse);
  // The donor's Lanes message: gives each lane its channels.
  Result<void> open(std::string_view body, std::vector<UniqueFd>& fds, bool rehearsal);
  // No other channels are to come.
  bool complete() const { return opened_ || lanes_.channels() == 1; }

  // The round that has come whole by all lines; 0 for none.
  std::uint32_t round() const;
  // All of the delta has come by all lines.
  bool prepared() const;
  // Has the other lanes read to their channels' end.
  void read_out();
  bool read_out_done() const;
  // Lane 0's own are restored at once.
  Result<void> restore();
  bool restored() const;
  // Restores that have not ended count as refused.
  Result<void> give_up_pending();
  // The service's own and the main channel's sessions are adopted; the rest is here. keep: the
  // donor died in mid-copy; the sections are empty already. donor_gone: it has exited, whenever.
  void run(bool keep, bool donor_gone);
  bool running() const;
  // The sessions of all lanes are this process's: its vault is the one to recover from. All are
  // restored, and the other lanes wait.
  void count_vaults();
  void go(const std::string& why);

  // Why one of them can't go on.
  std::optional<core::Reason> failure() const;
  // The donor has given a sign of life by another line than the main channel since this was asked
  // last.
  bool progressed();

  // Sums.
  std::uint64_t sessions() const;
  std::uint64_t lost() const;
  std::vector<std::uint64_t> lost_ids() const;
  // As SessionReceiver.
  std::vector<protocol::Refusal> take_refused();
  std::uint64_t refused() const;
  std::uint64_t refused_in_all() const;
  std::uint64_t came() const;
  void add_notes(Rehearsal& to);

 private:
  Registry& registry_;  // lane 0's
  std::vector<Lane*> others_;
  std::shared_ptr<HeirBoard> board_;
  HeirChannels own_;
  core::Lanes lanes_;
  std::vector<DonorKind> kinds_;
  bool may_refuse_ = false;
  bool opened_ = false;
  std::uint64_t signs_ = 0;
};

}  // namespace handoff::io
