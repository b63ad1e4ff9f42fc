#include "supervisor/core/service.h"

namespace handoff::supervisor {

Effects Service::step(const Event& event, Time now) {
  out_.clear();
  std::visit([this, now](const auto& what) { on(what, now); }, event);
  judge(now);
  if (state() != State::kRecovering && operation_.handoff() == nullptr) drop_vaults();
  return std::exchange(out_, {});
}

std::optional<Time> Service::deadline() const {
  std::optional<Time> earliest = owner_.deadline();
  const auto consider = [&earliest](const std::optional<Time>& time) {
    if (time && (!earliest || *time < *earliest)) earliest = time;
  };
  if (const Handoff* handoff = operation_.handoff()) consider(handoff->upgrade.deadline());
  if (in_peace() && !progressive().under_way()) consider(probation_.until(policy_.probation));
  consider(late().deadline());
  if (may_share()) consider(progressive().deadline());
  return earliest;
}

const char* Service::state_name() const {
  switch (state()) {
    case State::kStopped:
      return problem_.empty() || !left_.empty() ? "stopped" : "failed";
    case State::kStarting:
      return "starting";
    case State::kAdopting:
      return "adopting";
    case State::kRunning:
      if (!upgrading()) return "running";
      return operation_.rehearsal() ? "planning" : "upgrading";
    case State::kStopping:
      return "stopping";
    case State::kBackoff:
      return "backoff";
    case State::kRecovering:
      return "recovering";
  }
  return "?";
}

bool Service::settled() const {
  return operation_.none() &&
         (state() == State::kStopped || state() == State::kRunning || state() == State::kBackoff);
}

bool Service::awaits(Generation generation) const {
  const Handoff* handoff = operation_.handoff();
  return (state() == State::kStarting && owner_.is(generation) && !owner_.timed_out() &&
          operation_.giving_way() == nullptr) ||
         (handoff != nullptr && handoff->upgrade.heir() == generation &&
          handoff->upgrade.wants_heir()) ||
         (owner_.is(generation) && reads_vault(generation));
}

// ---- starting, stopping ---------------------------------------------------------------------

void Service::on(const StartRequested& start, Time now) {
  if (state() != State::kStopped || !owner_.nobody_alive() || !operation_.none()) return;
  if (rest_ == Rest::kStopped) {
    note(Note::Level::kWarning,
         "it stays stopped, " + (left_.empty() ? "as `handoff stop` left it" : "since " + left_) +
             " (handoff restart " + policy_.name + " starts it)");
  }
  if (rest_ != Rest::kNo) return;
  if (start.named) {
    const HandoffRequested request{
        .timeouts = policy_.timeouts, .wanted = *start.named, .cold = true, .by_start = true};
    operation_ = {Opening{.request = request, .asked = now}};
    out_.push_back(OpenCandidate{request});
    return;
  }
  if (!start.cold &&
      probation_.provisional()) {  // it died together with the supervisor that knew it
    return go_back_without_handoff(owner_.last(), "is gone", now);
  }
  add(owner_.start(false, policy_.timeouts, now));
}

void Service::on(const StopRequested& stop, Time now) {
  const std::string why = policy_.name + " was stopped";
  if (stop.to_stay) rest_ = Rest::kStopped;
  if (const auto* opening = operation_.opening()) {
    give_up(*opening, {"cancelled", why});
    operation_ = {};
  }
  if (const auto* way = operation_.giving_way()) {
    if (way->candidate) out_.push_back(DropCandidate{});
    give_up(way->asked, {"cancelled", why});
    operation_ = {};
  }
  if (operation_.replacing()) operation_ = {};
  return_.reset();
  stop_recovery();
  problem_.clear();
  left_.clear();
  if (stop.at_once) add(owner_.kill_all());
  if (state() == State::kStopping) return;
  if (Fresh* fresh = operation_.fresh()) {
    fresh->fail("cancelled", why);
    fresh->backing_off = false;
  }
  // Before the switch the handoff has to end first; after it the heir is like any other.
  Handoff* handoff = operation_.handoff();
  const bool before_switch = handoff != nullptr && owner_.is(handoff->upgrade.donor());
  const Time kill_at = now + policy_.timeouts.drain;
  owner_.stop(kill_at);
  add(others_.late().stop(kill_at));
  if (!before_switch) add(owner_.send_stop(now));
  if (handoff != nullptr) follow(*handoff, handoff->upgrade.cancel(why, now), now);
  maybe_stopped();
}

void Service::maybe_stopped() {
  if (!upgrading()) add(owner_.stopped());
}

// ---- what the processes say -----------------------------------------------------------------

void Service::on(const Registered& registered, Time now) {
  if (owner_.is(registered.generation)) {
    owner_.registered();
    if (Fresh* fresh = operation_.fresh()) fresh->registered = now - fresh->begun;
  }
  if (registered.seen.another() && turns_away(registered, now)) return;
  if (!registered.one_way.empty() && refuses_one_way(registered, now)) return;
  forward(registered, now);
}

void Service::on(const Owned& owned, Time now) {
  if (guessed_ && operation_.none() && owner_.serves() &&
      (state() == State::kAdopting || owned.generation > current())) {
    owner_.found(owner_.last(), owned.generation, restarts());
  }
  const bool owner = owner_.is(owned.generation);
  if (owner) {
    owner_.counted(owned.sessions);
    probation_.said_owner(true);
  }
  if (owner && state() == State::kStarting) {
    const Fresh* fresh = operation_.fresh();
    const bool unwanted = owner_.timed_out() || operation_.giving_way() != nullptr;
    if (unwanted || (fresh != nullptr && fresh->turned_away)) return;
    came_up(now);
    return;
  }
  if (owner && state() == State::kAdopting) {
    owner_.came_up(now);
    problem_.clear();
  }
  forward(owned, now);
}

void Service::came_up(Time now) {
  owner_.came_up(now);
  if (state() == State::kRunning) rest_ = Rest::kNo;
  problem_.clear();
  left_.clear();
  if (Fresh* fresh = operation_.fresh()) {
    take(fresh->candidate, fresh->request, false, now);
    owner_.forgive();
    out_.push_back(Conclude{fresh->done(current(), now), fresh->request.id});
    operation_ = {};
  } else if (return_) {
    out_.push_back(WentBack{return_->from, current(), return_->lost, return_->why});
  }
  return_.reset();
  relink(now);
}

void Service::on(const HandoffFailed& failed, Time now) {
  if (owner_.is(failed.generation) && state() == State::kStarting) {
    if (Fresh* fresh = operation_.fresh()) {
      fresh->fail(failed.code, "the new release gave up: " + failed.reason);
    }
    note(Note::Level::kWarning, "it says that it can't start: " + failed.reason);
    return;
  }
  forward(failed, now);
}

void Service::on(const Counted& counted, Time now) {
  if (owner_.is(counted.generation)) owner_.counted(counted.sessions);
  if (counted.generation == on_trial()) {
    probation_.answered();
    probation_.counted(policy_.probation, counted.errors);
  }
  forward(counted, now);
}

void Service::on(const Progressed& progress, Time now) { forward(progress, now); }

void Service::on(const DonorRetired& retired, Time now) {
  add(others_.late().on(retired, policy_.late, now));
  const Generation who = retired.generation;
  const Handoff* handoff = operation_.handoff();
  const bool in_this_one =
      handoff != nullptr && (handoff->upgrade.donor() == who || handoff->upgrade.heir() == who);
  // A donor returns to a supervisor that has not seen its handoff.
  if (!in_this_one && current() != 0 && current() != who && !late().has(who)) {
    owner_.saw(who);
    others_.late().leave(who, now + policy_.timeouts.drain);
    if (retired.closed > 0) {
      note(Note::Level::kWarning, "generation " + std::to_string(who) +
                                      " has no session left, and " +
                                      std::to_string(retired.closed) + " of its own were closed");
    }
  }
  forward(retired, now);
}

void Service::on(const Rehearsed& rehearsed, Time now) { forward(rehearsed, now); }

void Service::on(const DonorLate& late, Time now) {
  const Handoff* handoff = operation_.handoff();
  if (owner_.is(late.generation) && handoff == nullptr) return;  // nobody has heard of a switch
  owner_.saw(late.generation);
  add(others_.on(late, policy_.late, handoff != nullptr ? handoff->upgrade.donor() : 0, now));
  forward(late, now);
  relink(now);
}

// Not during a handoff: the heir is passed the links that there are at its beginning.
void Service::relink(Time now) {
  if (state() == State::kRunning && current() != 0 && !upgrading()) {
    add(others_.late().relink(current(), now));
  }
}

// ---- endings --------------------------------------------------------------------------------

void Service::on(const SpawnFailed& failed, Time now) {
  owner_.lost(failed.generation);
  if (owner_.is(failed.generation) && !reads_vault(failed.generation)) {
    owner_ended(failed.code, "could not be started: " + failed.why, now);
  } else {
    forward(failed, now);
  }
  maybe_stopped();
}

void Service::on(const Exited& exited, Time now) {
  owner_.lost(exited.generation);
  take_vault(exited);
  add(others_.on(exited, policy_.late, now));
  const bool owner = owner_.is(exited.generation);
  // A donor's death in the middle of a handoff is the handoff's to judge; an heir that has taken
  // over is both the handoff's and the service's.
  const Handoff* handoff = operation_.handoff();
  const bool donor = handoff != nullptr && handoff->upgrade.donor() == exited.generation;
  const bool heir = handoff != nullptr && handoff->upgrade.heir() == exited.generation && !owner;
  look_for_children(exited, heir || (owner && state() == State::kStarting));
  forward(exited, now);
  if (owner && !donor) owner_ended(code_of(exited.exit), describe(exited.exit), now);
  maybe_stopped();
}

void Service::on(const Tick&, Time now) {
  add(owner_.tick(policy_.timeouts, now));
  add(others_.late().tick(now));
  if (may_share() && progressive().under_way()) {
    add(others_.next_share(policy_.late, now));
    if (!progressive().under_way()) probation_.begin_again(now, progressive().probation());
  }
  forward(Tick{}, now);
}

void Service::add(Effects effects) {
  for (Effect& effect : effects) out_.push_back(std::move(effect));
}

void Service::note(Note::Level level, std::string text) {
  out_.push_back(Note{level, std::move(text)});
}

}  // namespace handoff::supervisor
