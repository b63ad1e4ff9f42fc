// The part of HeirDriver that ends a copy: the sessions become this side's, or are let go.
#include <algorithm>
#include <new>
#include <utility>

#include "libhandoff/core/rest.h"
#include "libhandoff/handoff/heir_driver.h"
#include "libhandoff/sys/failpoint.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {
namespace {

using core::Code;
using core::HeirEvent;
using E = core::HeirEventType;

HeirEvent refused(const Error& error) {
  core::Reason reason = to_reason(error);
  return {reason.code == Code::kProtocol ? E::kMalformed : E::kRefused, std::move(reason)};
}

}  // namespace

// Without memory for what is left to read it goes on: nobody else is left.
void HeirDriver::read_out() {
  const auto attempt = [this](auto&& read) {
    try {
      read();
    } catch (const std::bad_alloc&) {
      handle({E::kRefused, out_of_memory()});
    }
  };
  attempt([this] { read_channel(true); });
  lanes_.read_out();
  attempt([this] {
    if (const auto ok = lanes_.own().read_out(); !ok) handle(refused(ok.error()));
    tell_what_is_complete();
  });
  reading_out_ = true;
  finish_reading_out();
}

// What is not complete by now will never be.
void HeirDriver::finish_reading_out() {
  if (!reading_out_ || !lanes_.read_out_done()) return;
  reading_out_ = false;
  handle({E::kReadOut});
}

void HeirDriver::restore() {
  const int error = failpoint::hit("heir.restore.before");
  const auto restored =
      error == 0 ? lanes_.restore() : Failure(Error::from_errno(error, "restoring the sessions"));
  if (!restored) {
    failpoint::hit("heir.restore.after");
    return handle({E::kRefused, to_reason(restored.error())});
  }
  restoring_ = true;
  // The donor gives up at four fifths of the budget, unless it has died.
  const bool waits = frozen_at_ns_ != 0 && !peer_seen_;
  const auto us = [](std::uint64_t ns) { return static_cast<core::Time>(ns / 1000); };
  const core::Time since =
      waits ? core::Rest::restores_since(us(frozen_at_ns_), us(heard_at_ns_), us(prepared_at_ns_))
            : now_us();
  restored_by_ = since + parameters_.limits.budget / 5 * 3;
  finish_restoring();
}

std::optional<core::Time> HeirDriver::earlier_deadline() const {
  if (!restoring_ || gave_up_ || (lanes_.own().pending() == 0 && lanes_.restored())) {
    return std::nullopt;
  }
  return restored_by_;
}

void HeirDriver::hear_restored() {
  const auto told = [this](const Result<void>& ok) {
    if (!ok) handle_fault(refused(ok.error()));
  };
  for (const Told::Answer& answer : registry_.told.take_restored()) {
    told(lanes_.own().answered(answer));
  }
  if (!earlier_deadline() || now_us() < restored_by_) return;
  gave_up_ = true;
  told(lanes_.give_up_pending());
}

// The sections are finished when the sessions of all lanes are restored.
void HeirDriver::finish_restoring() {
  if (!restoring_ || !lanes_.restored() || lanes_.own().pending() > 0) return;
  restoring_ = false;
  const auto restored = service_.restore();
  failpoint::hit("heir.restore.after");
  handle(restored ? HeirEvent{E::kRestored} : HeirEvent{E::kRefused, to_reason(restored.error())});
}

void HeirDriver::keep_unmoved() {
  failpoint::hit("heir.keep.before");
  keep_ = true;
  service_.start_empty();
  lanes_.own().keep_unmoved();
  service_.bind();
  registry_.log(HANDOFF_LOG_WARNING,
                "the donor died in mid-copy: " + std::to_string(lanes_.own().sessions()) +
                    " sessions kept, " + std::to_string(lost()) + " lost");
  failpoint::hit("heir.keep.after");
}

std::uint64_t HeirDriver::lost() const {
  const std::uint64_t lost = lanes_.lost();
  if (!keep_) return lost;
  // What the donor had and never sent is lost, too.
  return std::max(lost, donor_sessions_ - std::min(donor_sessions_, adopted()));
}

std::vector<std::uint64_t> HeirDriver::kept_ids() const {
  std::vector<std::uint64_t> first = kept_ids_;
  if (left_to_donor_ > 0) first.insert(first.end(), left_ids_.begin(), left_ids_.end());
  first.resize(std::min(first.size(), protocol::kMaxLostIds));
  return first;
}

void HeirDriver::run() {
  failpoint::hit("heir.run.before");
  left_to_donor_ = keep_ ? 0 : lanes_.refused();
  // A donor that lives and closes its channel serves nothing that was refused here: the channel
  // would be the link by which it comes.
  const bool donor_gone = machine_.donor_died() || has_exited(peer_.get());
  lanes_.main().adopt(donor_gone);
  service_.adopt();
  lanes_.run(keep_, donor_gone);
  failpoint::hit("heir.run.after");
}

void HeirDriver::fence() {
  failpoint::hit("heir.fence.before");
  kill_peer("the donor's channel is closed: making sure that it is gone");
  failpoint::hit("heir.fence.after");
}

void HeirDriver::go() {
  failpoint::hit("heir.go.before");
  registry_.log(rehearsal_ ? HANDOFF_LOG_INFO : HANDOFF_LOG_WARNING,
                (rehearsal_ ? "this rehearsing heir goes: " : "handoff failed, this heir goes: ") +
                    machine_.reason().text);
  if (rehearsal_) report_rehearsal();
  lanes_.go(machine_.reason().text);
  service_.drop();
  failpoint::hit("heir.go.after");
}

// Whatever came of it: how it ended is said by Failed, which follows.
void HeirDriver::report_rehearsal() {
  protocol::Rehearsed& notes = rehearsal_->notes;
  notes.handoff_id = parameters_.id;
  notes.complete = machine_.reason() == core::Reason{Code::kCancelled, core::kRehearsed};
  notes.early = registry_.callbacks.update != nullptr;
  lanes_.add_notes(*rehearsal_);
  service_.count();
  rehearsal_->weigh(true);
  reporter_.rehearsed(notes);
}

}  // namespace handoff::io
