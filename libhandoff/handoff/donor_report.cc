#include "libhandoff/handoff/donor_report.h"

#include <algorithm>
#include <utility>

#include "libhandoff/sys/process.h"

namespace handoff::io {
namespace {

constexpr std::uint64_t kReportEveryNs = 50'000'000;

}  // namespace

void DonorReport::progress(protocol::Phase phase) {
  reported_at_ns_ = now_ns();
  const Progress progress = lanes_.progress();
  reporter_.progress({.handoff_id = handoff_id_,
                      .phase = phase,
                      .at_ns = reported_at_ns_,
                      .sessions_sent = progress.sessions_sent,
                      .sessions_total = lanes_.sessions(),
                      .bytes = progress.bytes,
                      .round = lanes_.main().round()});
}

void DonorReport::progress_if_due(protocol::Phase phase) {
  if (now_ns() - reported_at_ns_ > kReportEveryNs) progress(phase);
}

void DonorReport::rehearsed(Rehearsal& rehearsal, std::vector<core::LeftOut> left_out) const {
  lanes_.add_notes(rehearsal);
  const Progress progress = lanes_.progress();
  protocol::Rehearsed& notes = rehearsal.notes;
  notes.handoff_id = handoff_id_;
  notes.complete = lanes_.main().round() > 0;
  notes.sessions = lanes_.sessions();
  notes.passed = progress.sessions_sent;
  notes.unsettled = std::min<std::uint64_t>(notes.sessions, lanes_.untracked() + progress.dirty);
  notes.left_out = std::move(left_out);
  rehearsal.weigh(false);
  reporter_.rehearsed(notes);
}

protocol::Retired DonorReport::retired(std::uint64_t frozen_at_ns, bool heir_lost,
                                       const Sessions& sessions,
                                       std::vector<core::LeftOut> left_out) const {
  const Progress progress = lanes_.progress();
  std::vector<std::uint64_t> lost_ids;
  if (heir_lost) lost_ids = sessions.first_ids(protocol::kMaxLostIds);
  return {.handoff_id = handoff_id_,
          .at_ns = now_ns(),
          .sessions = progress.at_heir,
          .bytes = progress.bytes,
          .frozen_at_ns = frozen_at_ns,
          .lost = heir_lost ? progress.at_heir : 0,
          .heir_died = heir_lost,
          .first_fd_at_ns = lanes_.main().service().first_fd_at_ns(),
          .lost_ids = std::move(lost_ids),
          .left_out = std::move(left_out),
          .unmoved = lanes_.first_left(),
          .closed = progress.closing};
}

}  // namespace handoff::io
