// The part of Lane that is an heir's.
#include <utility>

#include "libhandoff/handoff/lane.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {

void Lane::heir_turn() {
  const HeirBoard::Orders orders = heir_->orders();
  if (taking_ && !failed_) hear_restored();
  switch (orders.order) {
    case HeirBoard::Order::kReceive:
    case HeirBoard::Order::kReadOut:
      if (taking_) receive(orders.order);
      return;
    case HeirBoard::Order::kRestore:
      if (!failed_ && !std::exchange(restoring_, true)) restore();
      if (!failed_ && !restored_) finish_restoring(orders.give_up);
      return;
    case HeirBoard::Order::kRun:
      run(orders);
      return;
    case HeirBoard::Order::kGo:
      go(orders.why);
      return;
  }
}

void Lane::receive(HeirBoard::Order order) {
  const bool had_failed = failed_;  // what can't be applied is not there
  const bool read_out = order == HeirBoard::Order::kReadOut;
  const auto ok = read_out ? taking_->read_out() : had_failed ? Result<void>{} : taking_->receive();
  if (!ok) refuse(to_reason(ok.error()));
  heir_->report(index_, [&](HeirBoard::Standing& standing) {
    standing.round = taking_->round();
    standing.prepared = ok && !had_failed && taking_->prepared();
    standing.sessions = taking_->sessions();
    standing.signs = taking_->signs();
    standing.read_out = read_out;
    tell_refused(standing);
  });
}

void Lane::tell_refused(HeirBoard::Standing& standing) {
  for (protocol::Refusal& one : taking_->take_refused()) {
    standing.refusals.push_back(std::move(one));
  }
  standing.refused = taking_->refused();
  standing.refused_in_all = taking_->refused_in_all();
  standing.came = taking_->came();
}

void Lane::restore() {
  watch(std::nullopt);  // nothing more may come
  if (const auto ok = taking_->restore(); !ok) refuse(to_reason(ok.error()));
}

// How restores have ended that were answered with HANDOFF_LATER.
void Lane::hear_restored() {
  for (const Told::Answer& answer : registry_.told.take_restored()) {
    if (const auto ok = taking_->answered(answer); !ok) return refuse(to_reason(ok.error()));
  }
}

// give_up: those that have not ended count as refused.
void Lane::finish_restoring(bool give_up) {
  const auto ok = give_up ? taking_->give_up_pending() : Result<void>();
  if (!ok) return refuse(to_reason(ok.error()));
  if (taking_->pending() > 0) return;
  restored_ = true;
  Rehearsal notes;
  taking_->add_notes(notes);
  heir_->report(index_, [&](HeirBoard::Standing& standing) {
    tell_refused(standing);
    standing.notes = notes.notes;
    standing.restored = true;
  });
}

void Lane::run(const HeirBoard::Orders& orders) {
  watch(std::nullopt);
  if (taking_) {
    if (orders.keep) taking_->keep_unmoved();
    taking_->adopt(orders.donor_gone);
  }
  state_ = HANDOFF_STATE_OWNER;
  poller_.wake();  // so that the loop's first turn comes here
  const auto heir = std::exchange(heir_, nullptr);
  heir->report(index_, [&](HeirBoard::Standing& standing) {
    if (taking_) {
      standing.sessions = taking_->sessions();
      standing.lost = taking_->lost();
      standing.lost_ids = taking_->lost_ids();
    }
    standing.running = true;
  });
  taking_.reset();
}

void Lane::go(const std::string& why) {
  watch(std::nullopt);
  if (taking_) taking_->drop();
  taking_.reset();
  heir_.reset();
  why_ = why;
  state_ = HANDOFF_STATE_FAILED;
}

}  // namespace handoff::io
