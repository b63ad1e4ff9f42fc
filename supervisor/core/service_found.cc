// The part of Service that goes on where the supervisor before this one was: from what that one
// saved, and from processes that nobody knew of.
#include "supervisor/core/service.h"

namespace handoff::supervisor {

void Service::on(const Found& found, Time now) {
  owner_.found(found.last, found.current, found.restarts);
  probation_.restore(found.probation);
  rest_ = found.rest;
  guessed_ = found.guessed;
  vaults_.restore(found.vaults);
  recovery_ = found.recovery;
  recoveries_ = found.recoveries;
  if (rest_ == Rest::kDown) {
    problem_ =
        "it died under the supervisor before this one, and is not restarted (restart = false)";
  }
  if (rest_ == Rest::kStopped) problem_ = left_ = found.left;
  leaves_ = found.leaves;
  if (leaves_ && rest_ == Rest::kNo && found.gone == leaves_->generation) {
    return left(found.gone, "is gone");
  }
  if (found.heir != 0) resume(found, now);
  if (recovery_ && (found.heir == 0 || found.from_vault)) {
    resume_recovery(found, now);
  } else if (found.current == 0) {
    return;
  }
  // The supervisor before this one died while it stopped the service.
  if (rest_ == Rest::kStopped) on(StopRequested{.to_stay = true}, now);
}

void Service::resume(const Found& found, Time now) {
  owner_.saw(found.heir);
  operation_ = {Handoff{
      .upgrade = Upgrade::resumed(found.current, found.heir, found.timeouts, now, found.rehearsal),
      .request = {.rehearsal = found.rehearsal,
                  .timeouts = found.timeouts,
                  .id = found.request,
                  .one_way = !found.one_way.empty()},
      .candidate = found.candidate ? Candidate(found.origin) : std::nullopt,
      .by_itself = found.by_itself,
      .one_way = found.one_way,
      .from_vault = found.from_vault}};
}

bool Service::takes_orphans() const {
  if (!operation_.none() && !operation_.by_start()) return false;
  switch (state()) {
    case State::kStopped:
    case State::kStarting:
    case State::kBackoff:
      return true;
    case State::kAdopting:
    case State::kRunning:
      return guessed_;
    case State::kStopping:
    case State::kRecovering:
      return false;
  }
  return false;
}

// The orphan may have sessions. A process that is only starting has none, and would share the
// orphan's listeners: it goes. One of the orphan's number has no process yet, and gets none.
void Service::on(const OrphanFound& orphan, Time) {
  if (!takes_orphans()) return;
  if (operation_.by_start()) {
    operation_ = {};
    out_.push_back(DropCandidate{});
  }
  if (state() == State::kStarting && !owner_.is(orphan.generation)) {
    note(Note::Level::kWarning, "generation " + std::to_string(current()) +
                                    " was being started, and is ended: generation " +
                                    std::to_string(orphan.generation) + " still runs");
    out_.push_back(Signal{current(), true});
  }
  owner_.saw(orphan.generation);
  rest_ = Rest::kNo;  // it runs
  const bool first = !owner_.serves();
  if (first || (state() == State::kAdopting && orphan.generation > current())) {
    owner_.found(owner_.last(), orphan.generation, restarts());
  }
  guessed_ = true;
}

Found Service::found() const {
  Found out{
      .last = owner_.last(), .current = current(), .restarts = restarts(), .guessed = guessed_};
  out.rest = rest_;
  out.left = left_;
  out.leaves = leaves_;
  out.probation = probation_.saved();
  out.recovery = recovery_;
  out.vaults = vaults_.saved();
  out.recoveries = recoveries_;
  if (const Handoff* handoff = operation_.handoff()) {
    out.current = handoff->upgrade.donor();
    out.heir = handoff->upgrade.heir();
    out.candidate = handoff->candidate.has_value();
    out.rehearsal = handoff->upgrade.rehearsal();
    out.timeouts = handoff->request.timeouts;
    out.origin = handoff->candidate.value_or(Probation::Origin::kNew);
    out.by_itself = handoff->by_itself;
    out.one_way = handoff->one_way;
    out.from_vault = handoff->from_vault;
  }
  return out;
}

}  // namespace handoff::supervisor
