// How a handoff is brought to its end: by the outcome, by deadlines that have passed, by somebody
// who gives it up. Whoever must go is made to.
#include "supervisor/core/duration.h"
#include "supervisor/core/exit.h"
#include "supervisor/core/upgrade.h"

namespace handoff::supervisor {

void Upgrade::close(Report::Result result) {
  state_ = State::kClosing;
  deadline_.reset();
  account_.report().result = result;
}

void Upgrade::nobody_owns(std::uint64_t lost) {
  nobody_ = true;
  out_.turn = Turn::kNobodyOwns;
  account_.report().lost = lost;
  if (crash_.empty()) crash_ = heir_.story.empty() ? "died right after the switch" : heir_.story;
  close(Report::Result::kLost);
}

// A donor speaks for what it has kept. One that has died without a word has taken that along.
void Upgrade::count_kept(const std::string& how) {
  if (donor_.gone && !retired_) account_.donor_died_with_kept(how);
}

// The donor died by itself, with its heir on the way out. An heir that had not read the donor's
// Abort yet may have taken over.
void Upgrade::went_on_and_died(const std::string& how, Time now) {
  crash_ = how;
  if (!heir_.gone && !heir_.killed && heir_.story.empty()) {
    donor_.story = how;
    heir_.must_go = false;
    heir_.next.reset();
    state_ = State::kAwaitingHeir;
    arm(now + verdict());
    if (claim_) take_over(*claim_, now);
    return;
  }
  Report& report = account_.report();
  if (report.message.empty()) {
    donor_.story =
        how + " after the handoff had failed" + (donor_.story.empty() ? "" : ": " + donor_.story);
  } else {
    report.message += "; the old release " + how;
  }
  const bool only_the_heir_counted = claim_ && at_stake() == 0;
  nobody_owns(only_the_heir_counted
                  ? saturated_sum(saturated_sum(claim_->sessions, claim_->lost), claim_->kept)
                  : at_stake());
}

// Closing thousands of fds takes a donor longer than the switch did, and whoever waits for the
// upgrade need not wait for that. But an heir that has died by now has not taken over: there is one
// look at what has happened before it is said so.
void Upgrade::maybe_over(Time now) {
  if (state_ != State::kClosing || (claim_ && !heir_owns_ && !nobody_)) return;
  for (const Side* side : {&donor_, &heir_}) {
    if (!side->must_go || side->gone) continue;
    if (side == &donor_ && only_leaving() && !donor_.termed) {
      if (looked_) continue;
      deadline_ = now;
    }
    return;
  }
  account_.close(donor_, heir_, heir_owns_, rehearsed_, cancelled_, now);
  state_ = State::kOver;
  deadline_.reset();
}

Upgrade::Step Upgrade::finish(Time now) {
  maybe_over(now);
  return std::exchange(out_, {});
}

void Upgrade::note(Note::Level level, std::string text) {
  out_.effects.push_back(Note{level, std::move(text)});
}

// ---- time -----------------------------------------------------------------------------------

void Upgrade::ticked(Time now) {
  tick(donor_, now);
  tick(heir_, now);
  if (!deadline_ || now < *deadline_) return;
  switch (state_) {
    case State::kStarting:
      not_ready_in_time();
      kill(heir_);
      close(Report::Result::kFailed);
      break;
    case State::kCopying:
    case State::kSwitching:
      if (claim_) {
        note(Note::Level::kWarning,
             "the old release does not say that it gave its sessions away: it may hang");
        take_over(*claim_, now);
        break;
      }
      if (!cancelled_) {
        account_.fail_with("timeout",
                           "neither release said anything for " + format_duration(silence()));
        cancelled_ = true;
        for (const Side* side : {&donor_, &heir_}) {
          out_.effects.push_back(
              SendCancel{side->generation, heir_.generation, "no word for too long"});
        }
      } else {
        kill(heir_);
        state_ = State::kAwaitingDonor;
      }
      arm(now + verdict());
      break;
    case State::kAwaitingDonor:
      // The heir has died, and had said that it owned the sessions. So they are gone, and the donor
      // may not know yet. Nothing is started beside it before it does, or has gone.
      if (claim_) {
        deadline_.reset();
        dismiss(donor_, timeouts_.drain, true, now);
        break;
      }
      // The donor still owns everything: nothing else can be concluded from its silence.
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
      if (claim_ && !heir_owns_ && !nobody_) {
        heir_.code = "protocol";
        heir_.story = "said that it owns the sessions, and the old one has them";
        kill(heir_);
      }
      claim_.reset();
      break;
  }
}

void Upgrade::not_ready_in_time() {
  const std::string within = " was not ready within " + format_duration(timeouts_.start);
  if (heir_ready_) {
    account_.fail_with("timeout", donors_name_ + within, Report::Failed::kOld);
  } else {
    account_.fail_with("timeout", "the new release" + within + " and was ended" + not_ready(false),
                       Report::Failed::kNew);
  }
}

void Upgrade::tick(Side& side, Time now) {
  if (!side.next || now < *side.next) return;
  if (&side == &heir_ || side.termed) return kill(side);
  side.termed = true;
  side.next = now + kTermToKill;
  out_.effects.push_back(Signal{side.generation, false});
  note(Note::Level::kWarning,
       retired_ ? "the old release is still there, and its drain is over: SIGTERM"
                : "the old release has not said since the switch what is left with it: SIGTERM");
}

// An heir is looked at when it registers, before it was asked for anything.
Upgrade::Step Upgrade::turn_away(const char* code, const std::string& why, Time now) {
  out_ = {};
  if (state_ == State::kStarting) {
    account_.fail_with(code, why, Report::Failed::kNew);
    kill(heir_);
    close(Report::Result::kFailed);
  }
  return finish(now);
}

Upgrade::Step Upgrade::cancel(const std::string& why, Time now) {
  out_ = {};
  switch (state_) {
    case State::kStarting:
      account_.fail_with("cancelled", why);
      close(Report::Result::kFailed);
      dismiss(heir_, Duration{}, false, now);
      break;
    case State::kCopying:
    case State::kSwitching:
      if (!cancelled_) {
        cancelled_ = true;
        account_.fail_with("cancelled", why);
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
