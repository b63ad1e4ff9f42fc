// The operations of a service, from what somebody asks for to what is told of its end: each event
// reads the operation under way and leaves the next step of it, or none.
#include "supervisor/core/service.h"

namespace handoff::supervisor {

std::optional<Refuse> Service::refusal() const {
  if (auto refused = operation_.refusal(policy_.name)) return refused;
  switch (state()) {
    case State::kStarting:
      return Refuse{"busy", policy_.name + " is starting; wait until it runs, or stop it first"};
    case State::kAdopting:
      return Refuse{"busy", policy_.name +
                                " has not reported back to this supervisor yet, which was started "
                                "after it. It comes back by itself as soon as its event loop "
                                "turns; handoff status says what is known of it. Don't end it for "
                                "that: it would cost its sessions"};
    case State::kStopping:
      return Refuse{"busy", policy_.name + " is stopping; wait until it has stopped"};
    case State::kRecovering:
      return Operation::recovers(policy_.name);
    case State::kStopped:
    case State::kRunning:
    case State::kBackoff:
      break;
  }
  return std::nullopt;
}

Refuse Service::nothing_to_rehearse_with() const {
  return {"not_running", "nothing of " + policy_.name +
                             " runs, so an upgrade has nobody to take over from: it would start "
                             "the new release, as handoff restart " +
                             policy_.name + " starts the old one"};
}

void Service::refuse(Refuse why, const HandoffRequested& request) {
  if (request.by_start) return note(Note::Level::kWarning, std::move(why.message));
  why.request = request.id;
  why.rehearsal = request.rehearsal;
  out_.push_back(std::move(why));
}

DeadDonor Service::dead_donor(const Opening& opening) const {
  return opening.donor != 0 && died_last_.generation == opening.donor ? died_last_ : DeadDonor{};
}

// Nothing is begun. If the old release died meanwhile, that is not as if nothing had happened.
void Service::give_up(const Opening& opening, Refuse why) {
  const DeadDonor dead = dead_donor(opening);
  if (dead.how.empty() || opening.request.rehearsal) {
    return refuse(std::move(why), opening.request);
  }
  Report report{.code = std::move(why.code), .message = std::move(why.message)};
  dead.add_to(report);
  out_.push_back(Conclude{report, opening.request.id});
}

void Service::on(const HandoffRequested& request, Time now) {
  auto refused = gives_way(request) ? std::nullopt : refusal();
  // One can always go back.
  if (!refused && state() == State::kRunning && request.to != Probation::Origin::kBack) {
    refused = late().refusal(policy_.late, policy_.name);
  }
  if (!refused && request.rehearsal && state() != State::kRunning) {
    refused = nothing_to_rehearse_with();
  }
  if (!refused && request.to == Probation::Origin::kBack && !probation_.has_back()) {
    refused = Refuse{"no_release", "there is no release to go back to: " + policy_.name +
                                       " has run no other since it was started, or went back from "
                                       "it by itself (handoff history " +
                                       policy_.name + ")"};
  }
  if (refused) return refuse(*refused, request);
  const Opening opening{
      .request = request,
      .asked = now,
      .donor = request.donor == 0 && state() == State::kRunning ? current() : request.donor};
  switch (request.to) {
    case Probation::Origin::kSame:
      begin(opening, std::nullopt, now);
      return;
    case Probation::Origin::kNew:
    case Probation::Origin::kFirst:
      operation_ = {opening};
      out_.push_back(OpenCandidate{request});
      return;
    case Probation::Origin::kBack:
      operation_ = {opening};
      out_.push_back(OpenBack{request.id});
      return;
  }
}

void Service::on(const RehearsalDropped&, Time now) {
  if (!operation_.rehearsal()) return;
  const std::string why = "nobody waits for the plan any more";
  if (Handoff* handoff = operation_.handoff()) {
    follow(*handoff, handoff->upgrade.cancel(why, now), now);
  } else if (const auto* opening = operation_.opening()) {
    give_up(*opening, {"cancelled", why});
    operation_ = {};
  }
}

void Service::on(const CandidateReady& ready, Time now) {
  if (operation_.opening() == nullptr) {  // stopped meanwhile
    out_.push_back(DropCandidate{});
    maybe_stopped();
    return;
  }
  const Opening opening = *operation_.opening();
  operation_ = {};
  // One that ran when it was asked for may have died, and is being started again.
  const bool ran = opening.donor != 0 || opening.by_itself;
  auto refused = !ran && gives_way(opening.request) ? std::nullopt : refusal();
  if (!refused && state() != State::kRunning) {
    if (opening.by_itself) {
      refused = Refuse{"busy", policy_.name + " died, and goes back by a start"};
    } else if (opening.request.rehearsal) {
      refused = nothing_to_rehearse_with();
    }
  }
  if (refused) {
    out_.push_back(DropCandidate{});
    return give_up(opening, *refused);
  }
  if (opening.request.unless_so && ready.identical &&
      (state() == State::kRunning || state() == State::kStarting)) {
    out_.push_back(DropCandidate{});
    out_.push_back(Unchanged{opening.request.id});
    return;
  }
  if (opening.request.cold && ready.origin == Probation::Origin::kSame) {
    out_.push_back(DropCandidate{});
    return begin_cold(opening, now);
  }
  begin(opening, ready.origin, now);
}

void Service::on(const CandidateFailed& failed, Time now) {
  if (operation_.opening() == nullptr) return;
  if (operation_.opening()->request.cold) {
    const Opening asked = *operation_.opening();
    operation_ = {};
    note(Note::Level::kError, failed.why + ": what ran before is started");
    return begin_cold(asked, now);
  }
  const Opening* opening = operation_.opening();
  if (opening->by_itself) {
    probation_.lose_back();
    note(Note::Level::kError, "it can't go back, so the release that runs stays");
  }
  give_up(*opening, {failed.code, failed.why});
  operation_ = {};
}

// What ran before is started from nothing. Nobody is told of a start that is as it always is.
void Service::begin_cold(const Opening& asked, Time now) {
  if (!asked.request.by_start) return begin(asked, std::nullopt, now);
  add(owner_.start(false, policy_.timeouts, now));
}

// The release is known and nothing is in the way.
void Service::begin(const Opening& asked, Candidate candidate, Time now) {
  guessed_ = false;
  const HandoffRequested& request = asked.request;
  if (state() == State::kStarting) {
    note(Note::Level::kWarning, "generation " + std::to_string(current()) +
                                    " has not come up yet, and is ended for what is asked for");
    operation_ = {GivingWay{asked, candidate}};
    out_.push_back(EndStart{current()});
    return;
  }
  if (state() != State::kRunning) {
    const bool backing_off = state() == State::kBackoff || (request.cold && candidate);
    return begin_fresh(asked, candidate, backing_off, now);
  }
  const Duration opened = asked.by_itself ? Duration{} : now - asked.asked;
  if (!request.rehearsal) add(others_.prepare(request));
  const Generation donor = current();
  const Generation heir = owner_.next();
  operation_ = {Handoff{.upgrade = Upgrade(donor, heir, request.timeouts, now, request.rehearsal),
                        .request = request,
                        .candidate = candidate,
                        .opened = opened,
                        .by_itself = asked.by_itself,
                        .dead = dead_donor(asked)}};
  forward(Counted{donor, owner_.sessions()}, now);  // as counted last: the donor may die at once
  out_.push_back(Announce{.phase = "start", .begins = true, .request = request.id});
  out_.push_back(Spawn{.generation = heir,
                       .candidate = candidate.has_value(),
                       .heir = true,
                       .timeouts = request.timeouts,
                       .rehearsal = request.rehearsal,
                       .spread = request.rehearsal ? 0 : progressive().first(),
                       .goes_back = operation_.handoff()->goes_back()});
}

void Service::begin_fresh(const Opening& asked, Candidate candidate, bool backing_off, Time now) {
  const HandoffRequested& request = asked.request;
  operation_ = {Fresh{.request = request,
                      .candidate = candidate,
                      .opened = asked.by_itself ? Duration{} : now - asked.asked,
                      .begun = now,
                      .backing_off = backing_off,
                      .dead = dead_donor(asked)}};
  rest_ = Rest::kNo;
  left_.clear();
  out_.push_back(Announce{.phase = "start", .begins = true, .request = request.id});
  add(owner_.start(candidate.has_value(), request.timeouts, now));
}

// The release on trial runs: it is the service's from here on.
void Service::take(Candidate& candidate, const HandoffRequested& request, bool by_itself,
                   Time now) {
  if (!candidate) return;
  out_.push_back(TakeCandidate{probation_.took_over(policy_.probation, *candidate, by_itself, now,
                                                    request.timeouts.probation)});
  candidate.reset();
}

void Service::take(Handoff& handoff, Time now) {
  take(handoff.candidate, handoff.request, handoff.by_itself, now);
  if (!handoff.one_way.empty()) probation_.went_one_way();
}

void Service::forward(const Event& event, Time now) {
  if (Handoff* handoff = operation_.handoff()) {
    follow(*handoff, handoff->upgrade.step(event, now), now);
  }
}

void Service::follow(Handoff& handoff, Upgrade::Step step, Time now) {
  for (Effect& effect : step.effects) {
    if (auto* donate = std::get_if<SendDonate>(&effect)) donate->direction = handoff.direction();
  }
  add(std::move(step.effects));
  const Upgrade& upgrade = handoff.upgrade;
  if (step.turn == Upgrade::Turn::kHeirOwns) {
    owner_.replaced_by(upgrade.heir(), upgrade.report().moved, now);
    drop_vaults();  // what the donor had is the heir's
    add(others_.switched(policy_.late, upgrade.donor(), upgrade.heir(), now));
    take(handoff, now);
    probation_.said_owner(!upgrade.heir_is_silent());
    if (handoff.health) probation_.heard(handoff.health->healthy, handoff.health->why);
    if (state() == State::kStopping) add(owner_.send_stop(now));
  } else if (step.turn == Upgrade::Turn::kNobodyOwns) {
    // The heir had owned, by its vault's word. What it has left no other release need understand.
    if (vaults_.source() == upgrade.heir() && recoverable(now)) take(handoff, now);
    (void)owner_.gone();
    nobody_serves(upgrade.donor(), upgrade.crash(), now);
  }
  if (upgrade.state() == Upgrade::State::kOver) over(handoff, now);
}

void Service::over(const Handoff& handoff, Time now) {
  const Upgrade& upgrade = handoff.upgrade;
  const bool by_itself = handoff.by_itself;
  if (handoff.candidate) out_.push_back(DropCandidate{});
  Report report = upgrade.report();
  report.open = handoff.opened;
  report.one_way = handoff.one_way;
  handoff.dead.add_to(report);
  const auto leaves_by = upgrade.donor_leaves_by();
  if (leaves_by && owner_.alive(upgrade.donor()) && current() == upgrade.heir()) {
    others_.late().leave(upgrade.donor(), *leaves_by);
  }
  const bool ended_before_switch = current() != 0 && current() == upgrade.donor();
  const bool stays = by_itself && ended_before_switch && report.code == Upgrade::kOtherRelease;
  if (stays) report.message += ". There is nothing to go back to, so the release that runs stays";
  const bool goes_on = state() == State::kRecovering && recoverable(now);
  if (upgrade.nobody_owns() && goes_on) report.keep_in_vault();
  const Generation reader = handoff.from_vault && ended_before_switch ? upgrade.donor() : 0;
  if (!handoff.from_vault) {
    out_.push_back(Conclude{report, handoff.request.id});
  } else if (current() == upgrade.heir() && !upgrade.nobody_owns()) {
    recovered(handoff, report, now);
  } else {
    note(Note::Level::kError, "the recovery has failed: " + report.message);
    if (state() == State::kStopping) give_up_recovery();
  }
  others_.handoff_over();
  operation_ = {};  // and with it handoff
  if (stays) {
    probation_.lose_back();
    note(Note::Level::kError, "it can't go back, so the release that runs stays");
  } else if (by_itself && ended_before_switch && in_peace()) {
    end_to_go_back(report, now);
  }
  relink(now);
  if (state() == State::kStopping) {
    if (ended_before_switch) add(owner_.send_stop(now));
    maybe_stopped();
  }
  if (state() != State::kRecovering) return;
  if (reader != 0) return end_reader(reader);
  if (current() == 0) begin_recovery(now);
}

// As before: what was stopped is stopped again, and what was to be restarted will be.
void Service::fresh_failed(Time now) {
  const Fresh fresh = *operation_.fresh();
  operation_ = {};
  if (fresh.candidate) out_.push_back(DropCandidate{});
  if (state() != State::kStopping) {
    owner_.stay_down();
    if (fresh.backing_off) {
      (void)owner_.wait(now);
      problem_ = fresh.failed(owner_.last()).message;
    } else {
      rest_ = Rest::kStopped;
    }
  }
  out_.push_back(Conclude{fresh.failed(owner_.last()), fresh.request.id});
}

}  // namespace handoff::supervisor
