#include "supervisor/core/upgrade.h"

#include <algorithm>

#include "supervisor/core/duration.h"

namespace handoff::supervisor {

Upgrade::Upgrade(Generation donor, Generation heir, const Timeouts& timeouts, Time now,
                 bool rehearsal)
    : timeouts_(timeouts), account_(donor, heir, rehearsal, now), deadline_(now + timeouts.start) {
  donor_.generation = donor;
  heir_.generation = heir;
}

Upgrade Upgrade::resumed(Generation donor, Generation heir, const Timeouts& timeouts, Time now,
                         bool rehearsal) {
  Upgrade out(donor, heir, timeouts, now, rehearsal);
  out.state_ = State::kCopying;
  out.account_.resumed(now);
  out.deadline_.reset();
  out.resumed_ = out.stranger_ = true;
  if (rehearsal) {
    // Its heir can't be the owner, and who wanted to know has gone with that supervisor.
    out.stranger_ = false;
    out.deadline_ = now + kMargin;
  }
  return out;
}

Upgrade Upgrade::recovery(Generation donor, Generation heir, const Timeouts& timeouts, Time now) {
  Upgrade out(donor, heir, timeouts, now);
  out.donor_starts_ = true;
  out.donors_name_ = "the reader of the vault";
  return out;
}

std::optional<Time> Upgrade::deadline() const {
  std::optional<Time> earliest = deadline_;
  for (const Side* side : {&donor_, &heir_}) {
    if (side->next && (!earliest || *side->next < *earliest)) earliest = side->next;
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
    if (counted->generation == donor_.generation) account_.counted(counted->sessions);
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
      account_.rehearsed(now);
    }
  } else if (const auto* retired = std::get_if<DonorRetired>(&event)) {
    if (retired->generation == donor_.generation && mine(*retired)) donor_retired(*retired, now);
  } else if (const auto* late = std::get_if<DonorLate>(&event)) {
    if (late->generation == donor_.generation && mine(*late)) donor_late(*late, now);
  } else if (const auto* spawn = std::get_if<SpawnFailed>(&event)) {
    if (spawn->generation == heir_.generation) {
      heir_ended(spawn->code, "could not be started: " + spawn->why, now);
    }
    if (spawn->generation == donor_.generation) {
      donor_ended("could not be started: " + spawn->why, now);
    }
  } else if (const auto* exited = std::get_if<Exited>(&event)) {
    if (exited->generation == heir_.generation) {
      heir_ended(code_of(exited->exit), describe(exited->exit), now);
    }
    if (exited->generation == donor_.generation) donor_ended(describe(exited->exit), now);
  } else if (std::holds_alternative<Tick>(event)) {
    ticked(now);
  }
  return finish(now);
}

// ---- the heir -------------------------------------------------------------------------------

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
  if (state_ != State::kStarting || heir_ready_) return;
  if (rehearsal() && !registered.rehearsal) {
    // Such an heir would take over in earnest if its donor did not know better.
    account_.fail_with(
        "version",
        "the new release is linked to a libhandoff that knows no rehearsals: what it would "
        "do can't be tried",
        Report::Failed::kNew);
    kill(heir_);
    close(Report::Result::kFailed);
    return;
  }
  heir_ready_ = true;
  donate(now);
}

void Upgrade::donate(Time now) {
  if (state_ != State::kStarting || !heir_ready_ || donor_starts_) return;
  account_.heir_ready(now);
  state_ = State::kCopying;
  arm(now + silence());
  out_.effects.push_back(SendDonate{donor_.generation, heir_.generation, timeouts_, rehearsal()});
  announce("copy", true);
}

void Upgrade::heir_owned(const Owned& owned, Time now) {
  stranger_ = false;
  if (rehearsal() && state_ != State::kStarting) return heir_forgot_that_it_rehearses();
  switch (state_) {
    case State::kCopying:
    case State::kSwitching:
      claim_ = owned;
      if (owned.running_at_ns == 0) claim_->running_at_ns = to_ns(now);
      arm(now + verdict());
      return;
    case State::kAwaitingHeir:
      return take_over(owned, now);
    case State::kStarting:
      account_.fail_with("protocol",
                         "the new release says that it owns sessions before it was given any",
                         Report::Failed::kNew);
      kill(heir_);
      close(Report::Result::kFailed);
      return;
    case State::kClosing:
      if (!heir_owns_ && !nobody_ && !heir_.killed) {
        claim_ = owned;
        doubt(now);
      }
      return;
    case State::kAwaitingDonor:  // it has said Failed, or is about to be reaped
    case State::kOver:
      return;
  }
}

// A rehearsal gives an heir copies. So neither the donor's death nor its silence makes it the
// owner.
void Upgrade::heir_forgot_that_it_rehearses() {
  if (heir_.killed || !(copying() || state_ == State::kAwaitingHeir)) return;
  rehearsed_ = false;
  heir_.code = "protocol";
  heir_.story = "said that it owns the sessions, of which a rehearsal had given it copies";
  kill(heir_);
}

// The donor went on, and only its death can have made the heir the owner: its exit is seen in a
// moment, or the heir is ended.
void Upgrade::doubt(Time now) {
  note(Note::Level::kError,
       "the new release says that it owns the sessions after the handoff has failed");
  deadline_ = now + kHeirLeaves;
}

void Upgrade::take_over(const Owned& owned, Time now) {
  heir_owns_ = true;
  out_.turn = Turn::kHeirOwns;
  const bool donor_died = !donor_.story.empty();
  if (account_.heir_owns(owned, donor_died, timeouts_.freeze_budget, now)) announce("switch", true);
  count_kept(donor_.story);
  if (!report().slow.empty()) note(Note::Level::kWarning, report().slow);
  close(account_.report().result);
  announce("retire", true);
  if (!donor_.must_go && !late_) dismiss(donor_, timeouts_.drain, true, now);
  claim_.reset();
}

void Upgrade::heir_failed(const HandoffFailed& failed, Time now) {
  stranger_ = false;
  if (heir_owns_ || state_ == State::kOver) return;
  claim_.reset();
  heir_.code = failed.code;
  heir_.story = "gave up: " + failed.reason;
  heir_.told = true;
  heir_.echoes = failed.of_peer;
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
        account_.heir_died(code, how);
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
  take_over({.generation = heir_.generation,
             .handoff_id = heir_.generation,
             .sessions = account_.known() - std::min(account_.known(), report().waiting)},
            now);
  account_.heir_is_silent();
  silent_ = true;
}

// ---- the donor ------------------------------------------------------------------------------

// A vault's reader has read it. Or a donor has reported back to this supervisor as the owner, and
// did not say that it is in this handoff: so the handoff never began, or its end was told before.
void Upgrade::donor_owned(Time now) {
  if (std::exchange(donor_starts_, false)) return donate(now);
  if (!resumed_ || donor_engaged_ || !(copying() || state_ == State::kAwaitingDonor)) return;
  donor_failed({donor_.generation, heir_.generation, "cancelled",
                "the supervisor before this one died before it had begun to hand over"},
               now);
}

void Upgrade::donor_progressed(const Progressed& progress, Time now) {
  if (heir_owns_ || nobody_) return;
  account_.progressed(progress);  // how many there are counts, however late it is said
  if (!copying()) return;
  arm(now + (claim_ ? verdict() : silence()));
  if (progress.phase == CopyPhase::kSwitch && state_ == State::kCopying) {
    state_ = State::kSwitching;
    account_.froze(progress, now);
    announce("switch", true);
    return;
  }
  announce(state_ == State::kSwitching ? "switch" : "copy", false);
}

void Upgrade::donor_failed(const HandoffFailed& failed, Time now) {
  if (copying() || state_ == State::kAwaitingDonor) {
    donor_.must_go = false;  // it is no longer silent
    donor_.next.reset();
    donor_.code = failed.code;
    donor_.story = failed.reason;
    donor_.told = true;
    donor_.echoes = failed.of_peer;
    close(Report::Result::kFailed);
    dismiss(heir_, kHeirLeaves, false, now);
    if (heir_.gone) claim_.reset();
    if (claim_) doubt(now);
  } else if (heir_owns_) {
    note(Note::Level::kError,
         "the old release says that the handoff failed, after the new one has taken over: " +
             failed.reason);
  }
}

void Upgrade::donor_retired(const DonorRetired& retired, Time now) {
  if (state_ == State::kStarting || state_ == State::kOver || retired_) return;
  retired_ = true;
  account_.retired(retired, now);
  if (claim_ && copying() && !retired.heir_died) take_over(*claim_, now);
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
    state_ = State::kAwaitingHeir;
    arm(now + verdict());
  }
}

// As retired, but for some sessions: the donor stays for them, which is not this machine's
// business.
void Upgrade::donor_late(const DonorLate& late, Time now) {
  if (late_ || retired_ || state_ == State::kStarting || state_ == State::kOver) return;
  late_ = retired_ = true;
  account_.late(late);
  if (claim_ && copying()) take_over(*claim_, now);
  donor_.must_go = false;
  donor_.next.reset();
  if (heir_owns_) return;
  if (state_ == State::kClosing) return;
  if (heir_.gone || state_ == State::kAwaitingDonor) {
    nobody_owns(at_stake() - std::min(at_stake(), late.waiting));
    dismiss(heir_, Duration{}, false, now);
  } else {
    state_ = State::kAwaitingHeir;
    arm(now + verdict());
  }
}

void Upgrade::donor_ended(const std::string& how, Time now) {
  donor_.gone = true;
  donor_.next.reset();
  switch (state_) {
    case State::kStarting:
      account_.fail_with("peer_died",
                         std::string(donors_name_) + " " + how + " before anything was handed over",
                         Report::Failed::kOld);
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
      if (claim_) take_over(*claim_, now);
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
        count_kept(how);
      } else if (!nobody_) {
        went_on_and_died(how, now);
      }
      break;
    case State::kAwaitingHeir:
    case State::kOver:
      break;
  }
}

}  // namespace handoff::supervisor
