// One handoff as the supervisor sees it. The machine starts the heir and tells the donor, follows
// what the two report, and ends the one that must go. The outcome is never decided here, but
// between donor and heir. That the heir owns the sessions is believed when the donor has said or
// shown that it gave them away: by Retired or Late, by its exit, or by its silence.
//
//   state         waits for                       then
//   Starting      the heir's Register, and in a   Copying
//                 recovery the donor's Owner
//   Copying       the donor's freeze              Switching
//   Switching     the heir's Owner, and the       Closing, the donor must go
//                 donor's Retired or Late
//   AwaitingDonor the donor's Failed, after the heir has failed or died: Closing, the heir must go
//   AwaitingHeir  the heir's Owner, after the donor has died or retired: Closing; one that hangs is
//                 ended, unless it is the owner by the donor's word
//   Closing       the exit of everyone who must go: Over; AwaitingHeir, if a donor that went on
//                 dies before its heir is gone
//   Over
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "supervisor/core/account.h"
#include "supervisor/core/effects.h"
#include "supervisor/core/side.h"

namespace handoff::supervisor {

class Upgrade {
 public:
  enum class State {
    kStarting,
    kCopying,
    kSwitching,
    kAwaitingDonor,
    kAwaitingHeir,
    kClosing,
    kOver
  };

  // The owner of the sessions, as far as a step has changed it.
  enum class Turn { kUnchanged, kHeirOwns, kNobodyOwns };
  struct Step {
    Effects effects;
    Turn turn = Turn::kUnchanged;
  };

  static constexpr Duration kMargin = std::chrono::seconds(2);      // over the peers' own deadlines
  static constexpr Duration kHeirLeaves = std::chrono::seconds(1);  // a failed heir, before SIGKILL
  static constexpr Duration kTermToKill = std::chrono::seconds(2);
  // The code of a release that is another by now than the one that ran.
  static constexpr const char* kOtherRelease = "other_release";
  // And of one that could not hand back.
  static constexpr const char* kOneWay = "one_way";

  // The heir is being spawned; its generation is the handoff's id.
  // rehearsal: heir and donor give up before the freeze, on purpose. The result is kRehearsed if
  // the heir says that it came that far, else kFailed.
  Upgrade(Generation donor, Generation heir, const Timeouts& timeouts, Time now,
          bool rehearsal = false);

  // One that another supervisor had begun, at a step that nobody here knows: the two are followed
  // from what they report. Before the heir has reported, nothing is done to it: it may be the
  // owner. A rehearsing one is not, and is ended soon.
  static Upgrade resumed(Generation donor, Generation heir, const Timeouts& timeouts, Time now,
                         bool rehearsal = false);

  // The donor is being spawned, too: the reader of a vault.
  static Upgrade recovery(Generation donor, Generation heir, const Timeouts& timeouts, Time now);

  Step step(const Event& event, Time now);
  // Gives up what can still be given up, and hurries the donor where it can't.
  Step cancel(const std::string& why, Time now);
  // The heir is not a release that it may be: it is given nothing, and ended.
  Step turn_away(const char* code, const std::string& why, Time now);

  State state() const { return state_; }
  bool rehearsal() const { return report().rehearsal; }
  Generation donor() const { return donor_.generation; }
  Generation heir() const { return heir_.generation; }
  // When step(Tick) wants to be called.
  std::optional<Time> deadline() const;
  const Report& report() const { return account_.report(); }
  // The donor has given everything away and is on its way out when this is over: until when.
  std::optional<Time> donor_leaves_by() const { return donor_.gone ? std::nullopt : donor_.next; }
  // The heir is to be started, or to run.
  bool wants_heir() const { return !heir_.killed; }
  // The sessions are gone with whoever owned them.
  bool nobody_owns() const { return nobody_; }
  // The heir owns the sessions, and only the donor has said so.
  bool heir_is_silent() const { return silent_; }
  // How the donor died, for the log of a service that nobody owns any more.
  const std::string& crash() const { return crash_; }

  friend bool operator==(const Upgrade&, const Upgrade&) = default;

 private:
  // What the step under way has to say: empty between two steps, and so always the same.
  struct Out : Step {
    friend bool operator==(const Out&, const Out&) { return true; }
  };

  void returned(const Registered& registered, Time now);
  void donor_owned(Time now);
  void heir_registered(const Registered& registered, Time now);
  void donate(Time now);
  void heir_owned(const Owned& owned, Time now);
  void heir_forgot_that_it_rehearses();
  void doubt(Time now);
  void take_over(const Owned& owned, Time now);
  void take_the_donors_word(Time now);
  void heir_failed(const HandoffFailed& failed, Time now);
  void heir_ended(const std::string& code, const std::string& how, Time now);
  void donor_progressed(const Progressed& progress, Time now);
  void donor_failed(const HandoffFailed& failed, Time now);
  void donor_retired(const DonorRetired& retired, Time now);
  void donor_late(const DonorLate& late, Time now);
  void donor_ended(const std::string& how, Time now);
  std::uint64_t at_stake() const { return account_.at_stake(); }

  // upgrade_end.cc
  void count_kept(const std::string& how);
  void went_on_and_died(const std::string& how, Time now);
  void ticked(Time now);
  void not_ready_in_time();
  void tick(Side& side, Time now);
  void dismiss(Side& side, Duration grace, bool term_first, Time now) {
    side.dismiss(grace, term_first, now, out_.effects);
  }
  void kill(Side& side) { side.kill(out_.effects); }
  void close(Report::Result result);  // enters Closing
  void nobody_owns(std::uint64_t lost);
  // Nothing is left to be heard but the donor's exit, which nobody has to wait for.
  bool only_leaving() const { return heir_owns_ && !nobody_ && retired_ && !late_; }
  void maybe_over(Time now);
  bool copying() const { return state_ == State::kCopying || state_ == State::kSwitching; }
  // A deadline, unless the heir is a stranger still.
  void arm(Time at) {
    if (!stranger_) deadline_ = at;
  }
  Duration verdict() const { return timeouts_.stall + timeouts_.freeze_budget + kMargin; }
  Duration silence() const { return 3 * timeouts_.stall + timeouts_.freeze_budget + kMargin; }
  void announce(const char* phase, bool begins) {
    out_.effects.push_back(account_.announce(phase, begins));
  }
  void note(Note::Level level, std::string text);
  Step finish(Time now);

  State state_ = State::kStarting;
  Timeouts timeouts_;
  Side donor_;
  Side heir_;
  Account account_;
  std::optional<Time> deadline_;
  const char* donors_name_ = "the old release";  // in a recovery it is the vault's reader
  bool resumed_ = false;
  bool stranger_ = false;       // resumed, and the heir has not reported yet
  bool donor_starts_ = false;   // it has not said yet that it owns
  bool heir_ready_ = false;     // it has registered
  bool donor_engaged_ = false;  // resumed, and the donor says that it is in this handoff
  bool cancelled_ = false;
  bool rehearsed_ = false;
  bool heir_owns_ = false;
  bool silent_ = false;
  bool nobody_ = false;
  bool retired_ = false;
  bool late_ = false;           // it has sessions left, and stays for them
  bool looked_ = false;         // whether the heir lives, after all had been said
  std::optional<Owned> claim_;  // of the heir; what the donor says or does tells if it is true
  std::string crash_;
  Out out_;
};

}  // namespace handoff::supervisor
