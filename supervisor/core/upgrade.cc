#include "supervisor/core/upgrade.h"

#include <algorithm>

#include "supervisor/core/duration.h"

namespace handoff::supervisor {

Upgrade::Upgrade(Generation donor, Generation heir, const Timeouts& timeouts, Time now,
                 bool rehearsal)
    : timeouts_(timeouts), begun_(now), deadline_(now + timeouts.start) {
  donor_.generation = donor;
  heir_.generation = heir;
  report_.from = donor;
  report_.to = heir;
  report_.rehearsal = rehearsal;
}

Upgrade Upgrade::resumed(Generation donor, Generation heir, const Timeouts& timeouts, Time now,
                         bool rehearsal) {
  Upgrade out(donor, heir, timeouts, now, rehearsal);
  out.state_ = State::kCopying;
  out.donated_ = now;
  out.deadline_.reset();
  out.resumed_ = out.stranger_ = true;
  if (rehearsal) {
    // Its heir can't be the owner, and who wanted to know has gone with that supervisor.
    out.stranger_ = false;
    out.deadline_ = now + kMargin;
  }
  return out;
}

std::optional<Time> Upgrade::deadline() const {
  std::optional<Time> earliest = deadline_;
  for (const Party* party : {&donor_, &heir_}) {
    if (party->next && (!earliest || *party->next < *earliest)) earliest = party->next;
  }
  return earliest;
}

Upgrade::Step Upgrade::step(const Event& event, Time now) {
  out_ = {};
  const auto mine = [this](const auto& message) { return message.handoff_id == heir_.generation; };
  if (const auto* registered = std::get_if<Registered>(&event)) {
    if (registered->returning) {
      returned(*registered, now);
    } else if (registered->generation == heir_.generation) {
      heir_registered(*registered, now);
    }
  } else if (const auto* owned = std::get_if<Owned>(&event)) {
    if (owned->generation == heir_.generation) heir_owned(*owned, now);
    if (owned->generation == donor_.generation) donor_owned(now);
  } else if (const auto* counted = std::get_if<Counted>(&event)) {
    if (counted->generation == donor_.generation) counted_ = counted->sessions;
  } else if (const auto* progress = std::get_if<Progressed>(&event)) {
    if (progress->generation == donor_.generation && mine(*progress)) {
      donor_progressed(*progress, now);
    }
  } else if (const auto* failed = std::get_if<HandoffFailed>(&event)) {
    if (failed->generation == heir_.generation) heir_failed(*failed, now);
    if (failed->generation == donor_.generation && mine(*failed)) donor_failed(*failed, now);
  } else if (const auto* rehearsed = std::get_if<Rehearsed>(&event)) {
    if (rehearsed->generation == heir_.generation && rehearsed->complete && rehearsal()) {
      rehearsed_ = true;
      report_.copy = now - donated_;
    }
  } else if (const auto* retired = std::get_if<DonorRetired>(&event)) {
    if (retired->generation == donor_.generation && mine(*retired)) donor_retired(*retired, now);
  } else if (const auto* late = std::get_if<DonorLate>(&event)) {
    if (late->generation == donor_.generation && mine(*late)) donor_late(*late, now);
  } else if (const auto* spawn = std::get_if<SpawnFailed>(&event)) {
    if (spawn->generation == heir_.generation) {
      heir_ended(spawn->code, "could not be started: " + spawn->why, now);
    }
  } else if (const auto* exited = std::get_if<Exited>(&event)) {
    if (exited->generation == heir_.generation) heir_ended("exited", describe(exited->exit), now);
    if (exited->generation == donor_.generation) donor_exited(exited->exit, now);
  } else if (std::holds_alternative<Tick>(event)) {
    ticked(now);
  }
  return finish(now);
}

// ---- the heir
// ------------------------------------------------------------------------------------

void Upgrade::returned(const Registered& registered, Time now) {
  if (registered.generation == donor_.generation) {
    donor_engaged_ = registered.handoff_id == heir_.generation;
  } else if (registered.generation == heir_.generation && stranger_) {
    stranger_ = false;
    if (copying()) deadline_ = now + silence();
    if (state_ == State::kAwaitingDonor || state_ == State::kAwaitingHeir) {
      deadline_ = now + verdict();
    }
  }
}

void Upgrade::heir_registered(const Registered& registered, Time now) {
  if (state_ != State::kStarting) return;
  if (rehearsal() && !registered.rehearsal) {
    // It would take over in earnest if its donor did not know better.
    fail_with("version",
              "the new release is linked to a libhandoff that knows no rehearsals: what it would "
              "do can't be tried");
    kill(heir_);
    close(Report::Result::kFailed);
    return;
  }
  report_.start = now - begun_;
  donated_ = now;
  state_ = State::kCopying;
  arm(now + silence());
  out_.effects.push_back(SendDonate{donor_.generation, heir_.generation, timeouts_, rehearsal()});
  announce("copy", true);
}

void Upgrade::heir_owned(const Owned& owned, Time now) {
  stranger_ = false;
  switch (state_) {
    case State::kCopying:
    case State::kSwitching:
    case State::kAwaitingHeir:
      break;
    case State::kStarting:
      fail_with("protocol", "the new release says that it owns sessions before it was given any");
      kill(heir_);
      close(Report::Result::kFailed);
      return;
    case State::kClosing:
      // The donor went on, and only its death can have made the heir the owner: its exit is seen in
      // a moment, or the heir is ended.
      if (!heir_owns_ && !nobody_ && !heir_.killed) {
        note(Note::Level::kError,
             "the new release says that it owns the sessions after the handoff has failed");
        claim_ = owned;
        deadline_ = now + kHeirLeaves;
      }
      return;
    case State::kAwaitingDonor:  // it has said Failed, or is about to be reaped
    case State::kOver:
      return;
  }
  heir_owns_ = true;
  out_.turn = Turn::kHeirOwns;
  running_ = owned.running_at_ns != 0 ? time_from_ns(owned.running_at_ns) : now;
  if (owned.frozen_at_ns != 0) frozen_ = time_from_ns(owned.frozen_at_ns);
  report_.moved = owned.sessions;
  report_.lost = owned.lost;
  report_.lost_ids = owned.lost_ids;
  report_.bytes = std::max(report_.bytes, progress_.bytes);
  report_.blackout = owned.blackout;
  // Whatever was about to be said of a failure: it has come out otherwise. How the donor died is
  // told at the end.
  fail_with(owned.lost > 0 ? "peer_died" : "", "");
  // The two speak on sockets of their own: the donor's word of its freeze may still be on its way.
  // What was moved is known from here.
  progress_.sessions_sent = progress_.sessions_total = owned.sessions;
  if (frozen_ != Time{} && !switch_told_ && donor_.story.empty()) announce("switch", true);
  if (frozen_ == Time{}) frozen_ = running_;  // the donor died before it froze
  report_.copy = std::max(frozen_ - donated_, Duration{});
  report_.switched = std::max(running_ - frozen_, Duration{});
  report_.frozen = frozen_;
  report_.running = running_;
  close(owned.lost > 0 ? Report::Result::kLost : Report::Result::kDone);
  announce("retire", true);
  if (!donor_.must_go && !late_) dismiss(donor_, timeouts_.drain, true, now);
}

void Upgrade::heir_failed(const HandoffFailed& failed, Time now) {
  stranger_ = false;
  if (heir_owns_ || state_ == State::kOver) return;
  heir_.code = failed.code;
  heir_.story = "gave up: " + failed.reason;
  if (state_ == State::kStarting) {
    close(Report::Result::kFailed);
    dismiss(heir_, kHeirLeaves, false, now);
  } else if (copying()) {
    state_ = State::kAwaitingDonor;
    arm(now + verdict());
  } else if (state_ == State::kAwaitingHeir) {
    nobody_owns(at_stake());
    dismiss(heir_, kHeirLeaves, false, now);
  }
}

void Upgrade::heir_ended(const std::string& code, const std::string& how, Time now) {
  heir_.gone = true;
  stranger_ = false;
  heir_.next.reset();
  // An heir that was told to go has nothing to add by how it goes; unless it was its death that the
  // donor saw.
  const bool told = state_ == State::kClosing && donor_.code != "peer_died";
  if (!heir_.killed && !told && heir_.code.empty()) {
    heir_.code = code;
    heir_.story = how;
  }
  switch (state_) {
    case State::kStarting:
      if (code == "exited") heir_.story += " before it was ready";
      close(Report::Result::kFailed);
      break;
    case State::kCopying:
    case State::kSwitching:
      state_ = State::kAwaitingDonor;
      arm(now + verdict());
      break;
    case State::kAwaitingHeir:
      nobody_owns(at_stake());
      break;
    case State::kClosing:
      if (heir_owns_ && !nobody_) {
        nobody_ = true;  // the service's own crash: the machine around this one restarts it
        report_.result = Report::Result::kLost;
        report_.lost += report_.moved;
        fail_with(code, "the new release " + how + " after it had taken over");
      }
      break;
    case State::kAwaitingDonor:
    case State::kOver:
      break;
  }
}

// The donor has it from the heir that it owns the sessions. That the heir says nothing here, since
// it is stopped, say, is no reason to end it and every session with it.
void Upgrade::take_the_donors_word(Time now) {
  note(Note::Level::kWarning,
       "the new release has taken over, and does not say that it serves: it may hang");
  heir_owned({.generation = heir_.generation,
              .handoff_id = heir_.generation,
              .sessions = progress_.sessions_total},
             now);
  const auto us = static_cast<std::uint64_t>(to_us(report_.switched));
  report_.blackout = {us, us, us, us};  // so far
}

// ---- the donor
// -----------------------------------------------------------------------------------

// On its return: it has the sessions. Unless it says that it is in this handoff, it never was, or
// said how it ended before this.
void Upgrade::donor_owned(Time now) {
  if (!resumed_ || donor_engaged_ || !(copying() || state_ == State::kAwaitingDonor)) return;
  donor_failed({donor_.generation, heir_.generation, "cancelled",
                "the supervisor before this one died before it had begun to hand over"},
               now);
}

void Upgrade::donor_progressed(const Progressed& progress, Time now) {
  if (heir_owns_ || nobody_) return;
  progress_ = progress;  // how many there are counts, however late it is said
  report_.bytes = progress.bytes;
  if (!copying()) return;
  arm(now + silence());
  if (progress.phase == CopyPhase::kSwitch && state_ == State::kCopying) {
    state_ = State::kSwitching;
    frozen_ = progress.at_ns != 0 ? time_from_ns(progress.at_ns) : now;
    switch_told_ = true;
    announce("switch", true);
    return;
  }
  announce(state_ == State::kSwitching ? "switch" : "copy", false);
}

void Upgrade::donor_failed(const HandoffFailed& failed, Time now) {
  if (copying() || state_ == State::kAwaitingDonor) {
    donor_.code = failed.code;
    donor_.story = failed.reason;
    close(Report::Result::kFailed);
    dismiss(heir_, kHeirLeaves, false, now);
  } else if (heir_owns_) {
    note(Note::Level::kError,
         "the old release says that the handoff failed, after the new one has taken over: " +
             failed.reason);
  }
}

void Upgrade::donor_retired(const DonorRetired& retired, Time now) {
  if (state_ == State::kStarting || state_ == State::kOver || retired_) return;
  retired_ = true;
  if (retired.first_fd_at_ns != 0) {
    const Time left = retired.at_ns != 0 ? time_from_ns(retired.at_ns) : now;
    report_.transfer = std::max(left - time_from_ns(retired.first_fd_at_ns), Duration{});
  }
  report_.bytes = std::max(report_.bytes, retired.bytes);
  if (heir_owns_) {
    // The drain counts from here: it is the donor's first moment without sessions.
    if (!donor_.termed && !donor_.gone) donor_.next = now + timeouts_.drain;
    return;
  }
  if (state_ == State::kClosing) return;
  if (!donor_.gone) dismiss(donor_, timeouts_.drain, true, now);
  const bool died = retired.heir_died || heir_.gone || state_ == State::kAwaitingDonor;
  if (died) {
    nobody_owns(retired.heir_died ? retired.lost : retired.sessions);
    dismiss(heir_, Duration{}, false, now);
  } else {
    progress_.sessions_total = retired.sessions;
    state_ = State::kAwaitingHeir;
    arm(now + verdict());
  }
}

// As retired, but for some sessions: the donor stays for them, which is not this machine's
// business.
void Upgrade::donor_late(const DonorLate& late, Time now) {
  if (late_ || retired_ || state_ == State::kStarting || state_ == State::kOver) return;
  late_ = retired_ = true;
  report_.waiting = late.waiting;
  if (heir_owns_) {
    donor_.must_go = false;
    donor_.next.reset();
    return;
  }
  if (state_ == State::kClosing) return;
  if (heir_.gone || state_ == State::kAwaitingDonor) {
    nobody_owns(at_stake() - std::min(at_stake(), late.waiting));
    dismiss(heir_, Duration{}, false, now);
  } else {
    state_ = State::kAwaitingHeir;
    arm(now + verdict());
  }
}

void Upgrade::donor_exited(const Exit& exit, Time now) {
  donor_.gone = true;
  donor_.next.reset();
  const std::string how = describe(exit);
  switch (state_) {
    case State::kStarting:
      fail_with("peer_died", "the old release " + how + " before anything was handed over");
      crash_ = how;
      nobody_owns(at_stake());
      dismiss(heir_, Duration{}, false, now);
      break;
    case State::kCopying:
    case State::kSwitching:
      donor_.story = how;
      crash_ = how;
      state_ = State::kAwaitingHeir;
      arm(now + verdict());
      break;
    case State::kAwaitingDonor:
      donor_.story = how;
      crash_ = how;
      nobody_owns(at_stake());
      dismiss(heir_, kHeirLeaves, false, now);
      break;
    case State::kClosing:
      if (heir_owns_) {
        if (donor_.story.empty()) donor_.story = how;
      } else if (!nobody_) {
        went_on_and_died(how, now);
      }
      break;
    case State::kAwaitingHeir:
    case State::kOver:
      break;
  }
}

// It died by itself, with its heir on the way out. If that had not read the donor's Abort yet, it
// may have taken over.
void Upgrade::went_on_and_died(const std::string& how, Time now) {
  crash_ = how;
  if (!heir_.gone && !heir_.killed && heir_.story.empty()) {
    donor_.story = how;
    heir_.must_go = false;
    heir_.next.reset();
    state_ = State::kAwaitingHeir;
    arm(now + verdict());
    if (claim_) heir_owned(*claim_, now);
    return;
  }
  if (report_.message.empty()) {
    donor_.story =
        how + " after the handoff had failed" + (donor_.story.empty() ? "" : ": " + donor_.story);
  } else {
    report_.message += "; the old release " + how;
  }
  nobody_owns(claim_ ? claim_->sessions + claim_->lost : at_stake());
}

// ---- time
// ----------------------------------------------------------------------------------------

void Upgrade::ticked(Time now) {
  tick_parties(now);
  if (!deadline_ || now < *deadline_) return;
  switch (state_) {
    case State::kStarting:
      fail_with("timeout", "the new release was not ready within " +
                               format_duration(timeouts_.start) + " and was ended");
      kill(heir_);
      close(Report::Result::kFailed);
      break;
    case State::kCopying:
    case State::kSwitching:
      if (!cancelled_) {
        fail_with("timeout", "neither release said anything for " + format_duration(silence()));
        cancelled_ = true;
        for (const Party* party : {&donor_, &heir_}) {
          out_.effects.push_back(
              SendCancel{party->generation, heir_.generation, "no word for too long"});
        }
      } else {
        kill(heir_);
        state_ = State::kAwaitingDonor;
      }
      arm(now + verdict());
      break;
    case State::kAwaitingDonor:
      // It is still the one that owns everything: nothing else can be concluded from its silence.
      donor_.story = "has not said yet that it goes on: it may hang";
      close(Report::Result::kFailed);
      dismiss(heir_, Duration{}, false, now);
      break;
    case State::kAwaitingHeir:
      if (retired_) {
        take_the_donors_word(now);
        break;
      }
      heir_.code = "timeout";
      heir_.story = "did not take over in time and was ended";
      nobody_owns(at_stake());
      dismiss(heir_, Duration{}, false, now);
      break;
    case State::kClosing:
    case State::kOver:
      deadline_.reset();
      looked_ = only_leaving();
      if (claim_) kill(heir_);
      claim_.reset();
      break;
  }
}

void Upgrade::tick_parties(Time now) {
  for (Party* party : {&donor_, &heir_}) {
    if (!party->next || now < *party->next) continue;
    if (party == &donor_ && !party->termed) {
      party->termed = true;
      party->next = now + kTermToKill;
      out_.effects.push_back(Signal{party->generation, false});
      note(Note::Level::kWarning, "the old release is still there " +
                                      format_duration(timeouts_.drain) +
                                      " after the switch: SIGTERM");
    } else {
      kill(*party);
    }
  }
}

Upgrade::Step Upgrade::cancel(const std::string& why, Time now) {
  out_ = {};
  switch (state_) {
    case State::kStarting:
      fail_with("cancelled", why);
      close(Report::Result::kFailed);
      dismiss(heir_, Duration{}, false, now);
      break;
    case State::kCopying:
    case State::kSwitching:
      if (!cancelled_) {
        cancelled_ = true;
        fail_with("cancelled", why);
        out_.effects.push_back(SendCancel{donor_.generation, heir_.generation, why});
        arm(now + timeouts_.freeze_budget + kMargin);
      }
      break;
    case State::kClosing:
      if (donor_.must_go && !donor_.termed && !donor_.gone) donor_.next = now;
      break;
    case State::kAwaitingDonor:
    case State::kAwaitingHeir:
    case State::kOver:
      break;
  }
  return finish(now);
}

}  // namespace handoff::supervisor
