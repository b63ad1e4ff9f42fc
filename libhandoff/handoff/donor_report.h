// What a donor tells the supervisor of a handoff: how far the copy is, what a rehearsal has found
// out, what has moved.
#pragma once

#include <cstdint>
#include <vector>

#include "libhandoff/copy/rehearsal.h"
#include "libhandoff/handoff/donor_lanes.h"
#include "libhandoff/handoff/shell.h"

namespace handoff::io {

class DonorReport {
 public:
  // Borrows lanes and reporter.
  DonorReport(const DonorLanes& lanes, Reporter& reporter, std::uint64_t handoff_id)
      : lanes_(lanes), reporter_(reporter), handoff_id_(handoff_id) {}

  void progress(protocol::Phase phase);
  // At most 20 times a second.
  void progress_if_due(protocol::Phase phase);
  void rehearsed(Rehearsal& rehearsal, std::vector<core::LeftOut> left_out) const;
  // sessions: of lane 0, to name those that are lost.
  protocol::Retired retired(std::uint64_t frozen_at_ns, bool heir_lost, const Sessions& sessions,
                            std::vector<core::LeftOut> left_out) const;

 private:
  const DonorLanes& lanes_;
  Reporter& reporter_;
  std::uint64_t handoff_id_;
  std::uint64_t reported_at_ns_ = 0;
};

}  // namespace handoff::io
