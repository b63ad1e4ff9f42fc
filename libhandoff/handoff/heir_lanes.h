// An heir's lanes as lane 0 sees them: all channels of the handoff but the main one, those of lane
// 0 itself among them. It passes on what core/heir has decided, and says when all of them have
// done it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/core/lanes.h"
#include "libhandoff/handoff/heir_board.h"
#include "libhandoff/handoff/heir_channels.h"
#include "libhandoff/handoff/lane.h"
#include "libhandoff/handoff/shell.h"

namespace handoff::io {

class HeirLanes {
 public:
  // Borrows the other lanes of the service, which wait from here on for what is decided.
  HeirLanes(Registry& registry, const Poller& poller, std::vector<Lane*> others);
  HeirLanes(const HeirLanes&) = delete;
  HeirLanes& operator=(const HeirLanes&) = delete;

  // From the two Hellos.
  void expect(const core::Lanes& lanes, core::Manifest donor, std::vector<std::uint32_t> versions);
  // The donor's Lanes message: gives each lane its channels.
  Result<void> open(std::string_view body, std::vector<UniqueFd>& fds, bool rehearsal);
  // No other channels are to come.
  bool complete() const { return opened_ || lanes_.channels() == 1; }
  // The main channel is all that there is.
  bool alone() const { return lanes_.channels() == 1; }

  // Lane 0's own: readable when receive() has something to do.
  std::optional<int> fd() const;
  Result<void> receive();

  bool round_complete(std::uint32_t round) const;
  bool prepared() const;
  Result<void> read_out();
  bool read_out_done() const;
  // Lane 0's own are restored at once.
  Result<void> restore();
  bool restored() const;
  // keep: the donor died in mid-copy; the sections are empty already.
  void run(bool keep);
  bool running() const;
  void go(const std::string& why);

  // Why one of them can't go on.
  std::optional<core::Reason> failure() const;
  // The donor has given a sign of life since this was asked last.
  bool progressed();

  // Sums.
  std::uint64_t sessions() const;
  std::uint64_t lost() const;
  std::vector<std::uint64_t> lost_ids() const;
  void add_notes(Rehearsal& to);

 private:
  Registry& registry_;
  std::vector<Lane*> others_;
  std::shared_ptr<HeirBoard> board_;
  std::unique_ptr<HeirChannels> own_;  // none if the main channel is all that lane 0 has
  core::Lanes lanes_;
  core::Manifest donor_;
  std::vector<std::uint32_t> versions_;
  bool opened_ = false;
  std::uint64_t signs_ = 0;
  std::optional<std::uint64_t> adopted_;  // of lane 0's own
};

}  // namespace handoff::io
