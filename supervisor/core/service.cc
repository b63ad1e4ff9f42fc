#include "supervisor/core/service.h"

#include "supervisor/core/duration.h"

namespace handoff::supervisor {

Effects Service::step(const Event& event, Time now) {
  out_.clear();
  std::visit([this, now](const auto& what) { on(what, now); }, event);
  judge(now);
  return std::exchange(out_, {});
}

std::optional<Time> Service::deadline() const {
  std::optional<Time> earliest;
  const auto consider = [&earliest](const std::optional<Time>& time) {
    if (time && (!earliest || *time < *earliest)) earliest = time;
  };
  consider(ready_by_);
  consider(retry_at_);
  consider(kill_at_);
  if (upgrade_) consider(upgrade_->deadline());
  if (in_peace() && !progressive_.under_way()) consider(probation_.until(policy_.probation));
  consider(late_.deadline());
  if (may_share()) consider(progressive_.deadline());
  return earliest;
}

const char* Service::state_name() const {
  switch (state_) {
    case State::kStopped:
      return "stopped";
    case State::kStarting:
      return "starting";
    case State::kAdopting:
      return "adopting";
    case State::kRunning:
      if (!upgrade_) return "running";
      return upgrade_->rehearsal() ? "planning" : "upgrading";
    case State::kStopping:
      return "stopping";
    case State::kBackoff:
      return "backoff";
  }
  return "?";
}

// ---- what people ask for
// -------------------------------------------------------------------------

void Service::on(const StartRequested&, Time now) {
  if (state_ != State::kStopped || !alive_.empty()) return;
  if (probation_.provisional()) {  // it died together with the supervisor that knew it
    return go_back_without_handoff(last_, "is gone", now);
  }
  start_fresh(false, now);
}

void Service::on(const Found& found, Time now) {
  last_ = found.last;
  restarts_ = found.restarts;
  probation_.restore(found.probation);
  if (found.current == 0) return;
  state_ = State::kAdopting;
  current_ = found.current;
  alive_.insert(current_);
  if (found.heir == 0) return;
  alive_.insert(found.heir);
  request_ = found.timeouts;
  upgrade_candidate_ = found.candidate;
  origin_ = found.origin;
  by_itself_ = found.by_itself;
  rehearsal_ = found.rehearsal;
  upgrade_.emplace(Upgrade::resumed(current_, found.heir, request_, now, rehearsal_));
}

Found Service::found() const {
  Found out{.last = last_, .current = current_, .restarts = restarts_};
  out.probation = probation_.saved();
  if (upgrade_) {
    out.current = upgrade_->donor();
    out.heir = upgrade_->heir();
    out.candidate = upgrade_candidate_;
    out.rehearsal = upgrade_->rehearsal();
    out.timeouts = request_;
    out.origin = origin_;
    out.by_itself = by_itself_;
  }
  return out;
}

std::optional<Refuse> Service::refusal() const {
  if (by_itself_ || replacing_) {
    return Refuse{"busy", policy_.name +
                              " is going back to the release before, since the one that "
                              "runs did not pass its probation; wait for it to end "
                              "(handoff status " +
                              policy_.name + ")"};
  }
  if (upgrade_ || opening_ || fresh_) {
    return Refuse{"busy", (rehearsal_ ? "a plan of " : "another upgrade of ") + policy_.name +
                              " is under way; wait for it to end (handoff status " + policy_.name +
                              ")"};
  }
  if (state_ == State::kStarting) {
    return Refuse{"busy", policy_.name + " is starting; wait until it runs, or stop it first"};
  }
  if (state_ == State::kAdopting) {
    return Refuse{"busy", policy_.name +
                              " has not reported back to this supervisor yet, which was started "
                              "after it; if it stays so, it hangs: handoff stop " +
                              policy_.name};
  }
  if (state_ == State::kStopping) {
    return Refuse{"busy", policy_.name + " is stopping; wait until it has stopped"};
  }
  return std::nullopt;
}

void Service::on(const HandoffRequested& request, Time now) {
  auto refused = refusal();
  // One can always go back.
  if (!refused && state_ == State::kRunning && request.to != Probation::Origin::kBack) {
    refused = late_.refusal(policy_.late, policy_.name);
  }
  if (refused) {
    out_.push_back(*refused);
    return;
  }
  if (request.rehearsal && state_ != State::kRunning) {
    out_.push_back(nothing_to_rehearse_with());
    return;
  }
  request_ = request.timeouts;
  rehearsal_ = request.rehearsal;
  requested_at_ = now;
  request_shares_ = request.shares;
  request_pause_ = request.pause;
  switch (request.to) {
    case Probation::Origin::kSame:
      begin_handoff(false, now);
      return;
    case Probation::Origin::kNew:
    case Probation::Origin::kFirst:
      opening_ = true;
      out_.push_back(OpenCandidate{});
      return;
    case Probation::Origin::kBack:
      if (!probation_.has_back()) {
        out_.push_back(Refuse{"no_release", "there is no release to go back to: " + policy_.name +
                                                " has run no other since it was started, or went "
                                                "back from it by itself (handoff history " +
                                                policy_.name + ")"});
        return;
      }
      opening_ = true;
      out_.push_back(OpenBack{});
      return;
  }
}

Refuse Service::nothing_to_rehearse_with() const {
  return {"not_running", "nothing of " + policy_.name +
                             " runs, so an upgrade has nobody to take over from: it would start "
                             "the new release, as handoff restart " +
                             policy_.name + " starts the old one"};
}

void Service::on(const RehearsalDropped&, Time now) {
  if (!rehearsal_) return;
  const std::string why = "nobody waits for the plan any more";
  if (opening_) {
    opening_ = false;
    out_.push_back(Refuse{"cancelled", why});
  } else if (upgrade_) {
    follow(*upgrade_, upgrade_->cancel(why, now), now);
  }
}

void Service::on(const CandidateReady& ready, Time now) {
  if (!opening_) {  // stopped meanwhile
    out_.push_back(DropCandidate{});
    maybe_stopped();
    return;
  }
  opening_ = false;
  origin_ = ready.origin;
  const bool by_itself = std::exchange(by_itself_, false);
  auto refused = refusal();  // it died and is being started again
  if (!refused && by_itself && state_ != State::kRunning) {
    refused = Refuse{"busy", policy_.name + " died, and goes back by a start"};
  }
  if (!refused && rehearsal_ && state_ != State::kRunning) refused = nothing_to_rehearse_with();
  if (refused) {
    out_.push_back(DropCandidate{});
    out_.push_back(*refused);
    return;
  }
  by_itself_ = by_itself;
  begin_handoff(true, now);
}

void Service::on(const CandidateFailed& failed, Time) {
  if (!opening_) return;
  opening_ = false;
  if (std::exchange(by_itself_, false)) {
    probation_.lose_back();
    note(Note::Level::kError, "it can't go back, so the release that runs stays");
  }
  out_.push_back(Refuse{failed.code, failed.why});
}

void Service::on(const StopRequested& stop, Time now) {
  if (opening_) {
    opening_ = false;
    by_itself_ = false;
    out_.push_back(Refuse{"cancelled", policy_.name + " was stopped"});
  }
  replacing_ = false;
  return_.reset();
  if (stop.at_once) {
    for (const Generation generation : alive_) out_.push_back(Signal{generation, true});
  }
  if (state_ == State::kStopping) return;
  if (fresh_) {
    fresh_->code = "cancelled";
    fresh_->why = policy_.name + " was stopped";
    fresh_->before = State::kStopped;
  }
  // Before the switch the handoff has to end first; after it the heir is like any other.
  const bool before_switch = upgrade_ && current_ == upgrade_->donor();
  state_ = State::kStopping;
  ready_by_.reset();
  retry_at_.reset();
  kill_at_ = now + policy_.timeouts.drain;
  add(late_.stop(*kill_at_));
  if (!before_switch) send_stop(now);
  if (upgrade_) follow(*upgrade_, upgrade_->cancel(policy_.name + " was stopped", now), now);
  maybe_stopped();
}

// ---- starting
// ------------------------------------------------------------------------------------

void Service::begin_handoff(bool candidate, Time now) {
  opened_in_ = by_itself_ ? Duration{} : now - requested_at_;
  if (state_ != State::kRunning) {
    fresh_ = Fresh{.candidate = candidate, .before = state_, .begun = now};
    start_fresh(candidate, now);
    return;
  }
  auto shares = std::exchange(request_shares_, {});
  if (!rehearsal_) {
    give_back();
    progressive_.plan(std::move(shares), request_pause_, request_.probation);
  }
  const Generation heir = ++last_;
  alive_.insert(heir);
  upgrade_candidate_ = candidate;
  upgrade_.emplace(current_, heir, request_, now, rehearsal_);
  out_.push_back(Announce{.phase = "start", .begins = true});
  out_.push_back(Spawn{heir, candidate, true, request_, rehearsal_});
}

void Service::start_fresh(bool candidate, Time now) {
  state_ = State::kStarting;
  current_ = ++last_;
  registered_ = false;
  timed_out_ = false;
  alive_.insert(current_);
  retry_at_.reset();
  const Timeouts& timeouts = fresh_ ? request_ : policy_.timeouts;
  ready_by_ = now + timeouts.start;
  if (fresh_) out_.push_back(Announce{.phase = "start", .begins = true});
  out_.push_back(Spawn{current_, candidate, false, timeouts});
}

void Service::on(const Registered& registered, Time now) {
  if (registered.generation == current_) {
    registered_ = true;
    if (fresh_) fresh_->start = now - fresh_->begun;
  }
  forward(registered, now);
}

void Service::on(const Owned& owned, Time now) {
  if (owned.generation == current_) sessions_ = owned.sessions;
  if (owned.generation == current_ && state_ == State::kAdopting) {
    state_ = State::kRunning;
    running_since_ = now;
  }
  if (owned.generation == current_ && state_ == State::kStarting) {
    if (timed_out_) return;  // too late: SIGKILL is on its way
    state_ = State::kRunning;
    ready_by_.reset();
    running_since_ = now;
    if (fresh_) {
      if (fresh_->candidate) candidate_took_over(now);
      return_.reset();
      Report report{.result = Report::Result::kDone, .fresh = true, .to = current_};
      report.open = opened_in_;
      report.start = now - fresh_->begun;
      fresh_.reset();
      backoff_.reset();
      out_.push_back(Conclude{report});
    } else if (return_) {
      out_.push_back(WentBack{return_->from, current_, return_->lost, return_->why});
      return_.reset();
    }
    relink(now);
    return;
  }
  forward(owned, now);
}

// ---- a handoff under way
// -------------------------------------------------------------------------

void Service::candidate_took_over(Time now) {
  out_.push_back(TakeCandidate{
      probation_.took_over(policy_.probation, origin_, by_itself_, now, request_.probation)});
}

void Service::on(const HandoffFailed& failed, Time now) {
  if (failed.generation == current_ && state_ == State::kStarting) {
    if (fresh_) {
      fresh_->code = failed.code;
      fresh_->why = "the new release gave up: " + failed.reason;
    }
    note(Note::Level::kWarning, "it says that it can't start: " + failed.reason);
    return;
  }
  forward(failed, now);
}
void Service::on(const Counted& counted, Time now) {
  if (counted.generation == current_) sessions_ = counted.sessions;
  if (counted.generation == on_trial()) probation_.counted(policy_.probation, counted.errors);
  forward(counted, now);
}
void Service::on(const Progressed& progress, Time now) { forward(progress, now); }
void Service::on(const DonorRetired& retired, Time now) {
  add(late_.on(retired, policy_.late, now));
  // It returns to a supervisor that has not seen its handoff.
  const bool in_this_one = upgrade_ && (upgrade_->donor() == retired.generation ||
                                        upgrade_->heir() == retired.generation);
  if (!in_this_one && current_ != 0 && current_ != retired.generation &&
      !late_.has(retired.generation)) {
    alive_.insert(retired.generation);
    late_.leave(retired.generation, now + policy_.timeouts.drain);
  }
  forward(retired, now);
}
void Service::on(const Rehearsed& rehearsed, Time now) { forward(rehearsed, now); }

void Service::forward(const Event& event, Time now) {
  if (upgrade_) follow(*upgrade_, upgrade_->step(event, now), now);
}

// upgrade is *upgrade_, until that is over.
void Service::follow(Upgrade& upgrade, Upgrade::Step step, Time now) {
  for (Effect& effect : step.effects) out_.push_back(std::move(effect));
  if (step.turn == Upgrade::Turn::kHeirOwns) {
    current_ = upgrade.heir();
    progressive_.switched(upgrade.donor(), current_, now);
    gather(now);
    registered_ = true;
    running_since_ = now;
    backoff_.reset();
    sessions_ = upgrade.report().moved;
    if (upgrade_candidate_) candidate_took_over(now);
    upgrade_candidate_ = false;
    if (state_ == State::kAdopting) state_ = State::kRunning;
    if (state_ == State::kStopping) send_stop(now);
  } else if (step.turn == Upgrade::Turn::kNobodyOwns) {
    current_ = 0;
    nobody_serves(upgrade.donor(), upgrade.crash(), now);
  }
  if (upgrade.state() != Upgrade::State::kOver) return;
  if (upgrade_candidate_) out_.push_back(DropCandidate{});
  upgrade_candidate_ = false;
  Report report = upgrade.report();
  report.open = opened_in_;
  if (const auto by = upgrade.donor_leaves_by(); by && alive_.contains(upgrade.donor())) {
    if (current_ == upgrade.heir()) late_.leave(upgrade.donor(), *by);
  }
  out_.push_back(Conclude{report});
  const bool ended_before_switch = current_ != 0 && current_ == upgrade.donor();
  if (!progressive_.under_way()) progressive_.end();
  upgrade_.reset();
  if (std::exchange(by_itself_, false) && ended_before_switch && in_peace()) {
    end_to_go_back(report, now);
  }
  relink(now);
  if (state_ == State::kStopping) {
    if (ended_before_switch) send_stop(now);
    maybe_stopped();
  }
}

// ---- endings
// -------------------------------------------------------------------------------------

void Service::on(const SpawnFailed& failed, Time now) {
  alive_.erase(failed.generation);
  if (failed.generation == current_) {
    current_ended(failed.code, "could not be started: " + failed.why, now);
  } else {
    forward(failed, now);
  }
  maybe_stopped();
}

void Service::on(const Exited& exited, Time now) {
  alive_.erase(exited.generation);
  add(late_.on(exited));
  if (progressive_.concerns(exited.generation)) {
    progressive_.end();
    gather(now);
  }
  const bool current = exited.generation == current_;
  // A donor's death in the middle of a handoff is the handoff's to judge; an heir that has taken
  // over is both the handoff's and the service's.
  const bool donor = upgrade_ && upgrade_->donor() == exited.generation;
  forward(exited, now);
  if (current && !donor) current_ended("exited", describe(exited.exit), now);
  maybe_stopped();
}

void Service::current_ended(const std::string& code, const std::string& how, Time now) {
  const Generation gone = std::exchange(current_, 0);
  ready_by_.reset();
  if (fresh_) {
    if (fresh_->code.empty()) {
      fresh_->code = timed_out_ ? "timeout" : code;
      fresh_->why =
          timed_out_ ? "the new release was not ready within " + format_duration(request_.start) +
                           " and was ended"
                     : "the new release " + how + (code == "exited" ? " before it was ready" : "");
    }
    fresh_failed(now);
    return;
  }
  if (state_ == State::kStarting) {
    const std::string ended = code == "exited" ? how + " before it was ready" : how;
    wait_and_restart(timed_out_ ? "was not ready in time and was ended" : ended, now);
  } else {
    nobody_serves(gone, how, now);
  }
}

// The release that is on probation may not have been the one that runs last: of a handoff both
// sides can die.
void Service::nobody_serves(Generation gone, const std::string& how, Time now) {
  if (!serving()) return;
  if (probation_.provisional()) {
    go_back_without_handoff(gone, how, now);
  } else {
    wait_and_restart(how, now);
  }
}

void Service::wait_and_restart(const std::string& how, Time now) {
  if (!policy_.restart) {
    state_ = State::kStopped;
    note(Note::Level::kError, "it " + how + "; it is not restarted (restart = false)");
    return;
  }
  wait("it " + how, now);
}

void Service::wait(const std::string& what, Time now) {
  const Duration ran = state_ == State::kRunning ? now - running_since_ : Duration{};
  const Duration wait = backoff_.after(ran);
  state_ = State::kBackoff;
  retry_at_ = now + wait;
  note(Note::Level::kError,
       what + "; its listeners stay open, next start in " + format_duration(wait));
}

void Service::fresh_failed(Time now) {
  const Fresh fresh = std::exchange(fresh_, std::nullopt).value_or(Fresh{});
  if (fresh.candidate) out_.push_back(DropCandidate{});
  Report report{.result = Report::Result::kFailed, .fresh = true, .to = last_};
  report.start = fresh.start;
  report.code = fresh.code;
  report.message = fresh.why;
  if (state_ != State::kStopping) {
    // As before: what was stopped is stopped again, what was to be restarted will be.
    state_ = State::kStopped;
    if (fresh.before == State::kBackoff) {
      state_ = State::kBackoff;
      retry_at_ = now + backoff_.after(Duration{});
    }
  }
  out_.push_back(Conclude{report});
}

void Service::send_stop(Time now) {
  if (current_ == 0 || !kill_at_) return;
  if (registered_) {
    out_.push_back(SendStop{current_, std::max(*kill_at_, now)});
  } else {
    out_.push_back(Signal{current_, false});  // it may not know the protocol
  }
}

void Service::maybe_stopped() {
  if (state_ != State::kStopping || !alive_.empty() || upgrade_) return;
  state_ = State::kStopped;
  kill_at_.reset();
  out_.push_back(ReportStopped{});
}

void Service::on(const Tick&, Time now) {
  if (ready_by_ && now >= *ready_by_) {
    ready_by_.reset();
    timed_out_ = true;
    note(Note::Level::kError, registered_ ? "it is ready but does not say that it serves: SIGKILL"
                                          : "it did not say in time that it is ready: SIGKILL");
    out_.push_back(Signal{current_, true});
  }
  if (retry_at_ && now >= *retry_at_) {
    ++restarts_;
    start_fresh(false, now);
  }
  if (kill_at_ && now >= *kill_at_) {
    kill_at_.reset();
    note(Note::Level::kWarning, "it is still there after the drain: SIGKILL");
    for (const Generation generation : alive_) out_.push_back(Signal{generation, true});
  }
  add(late_.tick(now));
  if (may_share()) next_share(now);
  forward(Tick{}, now);
}

void Service::add(Effects effects) {
  for (Effect& effect : effects) out_.push_back(std::move(effect));
}

void Service::note(Note::Level level, std::string text) {
  out_.push_back(Note{level, std::move(text)});
}

}  // namespace handoff::supervisor
