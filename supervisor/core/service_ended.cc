// The part of Service that says what follows when the process that served has ended: another one is
// started, at once or later, or none is.
#include <utility>

#include "supervisor/core/duration.h"
#include "supervisor/core/service.h"

namespace handoff::supervisor {

void Service::owner_ended(const std::string& code, const std::string& how, Time now) {
  const Generation gone = owner_.gone();
  const bool served = state() == State::kRunning || state() == State::kAdopting;
  if (leaves_ && leaves_->generation == gone && served && !operation_.replacing()) {
    return left(gone, how);
  }
  if (served && !operation_.replacing() && !recoverable(now)) {
    out_.push_back(Crashed{gone, how, owner_.sessions()});
  }
  if (state() == State::kRunning && !recoverable(now)) {
    died_last_ = {gone, how, owner_.sessions()};
  }
  if (const GivingWay* way = operation_.giving_way()) {
    const GivingWay next = *way;
    begin_fresh(next.asked, next.candidate, true, now);
  } else if (Fresh* fresh = operation_.fresh()) {
    fresh->ended(code, how, owner_.too_late());
    fresh_failed(now);
  } else if (state() != State::kStarting) {
    nobody_serves(gone, how, now);
  } else if (owner_.timed_out()) {
    restart("was not ready in time and was ended" + owner_.too_late(), now);
  } else {
    restart(code == "exited" ? how + " before it was ready" : how, now);
  }
}

// The release that is on probation may not have been the one that runs last: of a handoff both
// sides can die.
void Service::nobody_serves(Generation gone, const std::string& how, Time now) {
  if (!owner_.serves()) return;
  // One that is being replaced did not pass: its last word keeps nobody from going back.
  const bool replaced = operation_.replacing();
  if (leaves_ && leaves_->generation == gone && !replaced) return left(gone, how);
  if (guessed_ && !owner_.nobody_alive()) {
    // The one that is gone may never have owned anything: another orphan serves, and will say so.
    owner_.found(owner_.last(), owner_.newest_alive(), restarts());
  } else if (!replaced && recovers(gone, how, now)) {
    return;
  } else if (probation_.provisional()) {
    go_back_without_handoff(gone, how, now);
  } else {
    restart(how, now);
  }
}

// The service knows best. So nobody goes back to the release before, either.
void Service::left(Generation gone, const std::string& how) {
  const std::string why = leaves_ ? leaves_->why : "";
  leaves_.reset();
  out_.push_back(Left{gone, how, why, owner_.sessions()});
  owner_.stay_down();
  rest_ = Rest::kStopped;
  problem_ = left_ = "it has left by itself" + (why.empty() ? "" : ": " + why);
  note(Note::Level::kInfo, left_ + " (it " + how +
                               "); its listeners stay open, and handoff restart " + policy_.name +
                               " starts it");
}

void Service::restart(const std::string& how, Time now) {
  if (policy_.restart) return wait("it " + how, now);
  owner_.stay_down();
  rest_ = Rest::kDown;
  problem_ = "it " + how;
  note(Note::Level::kError, "it " + how + "; it is not restarted (restart = false)");
}

void Service::wait(const std::string& what, Time now) {
  const Duration wait = owner_.wait(now);
  problem_ = what;
  note(Note::Level::kError,
       what + "; its listeners stay open, next start in " + format_duration(wait));
}

void Service::on(const Leaves& leaves, Time) {
  if (leaves_ == leaves || !owner_.is(leaves.generation)) return;
  leaves_ = leaves;
  note(Note::Level::kInfo, "it is leaving" + (leaves.why.empty() ? "" : ": " + leaves.why));
}

}  // namespace handoff::supervisor
