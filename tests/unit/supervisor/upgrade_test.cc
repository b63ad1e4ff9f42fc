// The handoff as the supervisor follows it, told as timelines. Generation 1 is the donor, 2 the
// heir.
#include "core/upgrade.h"

#include <gtest/gtest.h>

#include "show.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;
using State = Upgrade::State;
using Turn = Upgrade::Turn;

const Exit kStatus0{false, 0, false};
const Exit kStatus3{false, 3, false};
const Exit kSegv{true, 11, true};
const Exit kKilled{true, 9, false};

class UpgradeTest : public testing::Test {
 protected:
  UpgradeTest() : upgrade(1, 2, timeouts, at(0ms)) {}

  std::string hear(const Event& event, std::chrono::milliseconds when = 0ms) {
    const Upgrade::Step step = upgrade.step(event, at(when));
    if (step.turn != Turn::kUnchanged) turn = step.turn;
    return show(step.effects);
  }
  std::string tick(std::chrono::milliseconds when) { return hear(Tick{}, when); }
  void copy() {
    ASSERT_EQ(hear(Registered{2}, 100ms), "donate 1>2, phase copy");
    ASSERT_EQ(hear(progress(CopyPhase::kCopy, 5, 10), 110ms), "progress");
  }
  void take_over() {
    copy();
    ASSERT_EQ(hear(progress(CopyPhase::kSwitch, 10, 10), 200ms), "phase switch");
    ASSERT_EQ(hear(owned(10, 0), 210ms), "phase retire");
    ASSERT_EQ(turn, Turn::kHeirOwns);
  }
  static Progressed progress(CopyPhase phase, std::uint64_t sent, std::uint64_t total) {
    return {.generation = 1,
            .handoff_id = 2,
            .phase = phase,
            .sessions_sent = sent,
            .sessions_total = total,
            .bytes = sent * 100};
  }
  static Owned owned(std::uint64_t sessions, std::uint64_t lost) {
    return {.generation = 2, .handoff_id = 2, .sessions = sessions, .lost = lost};
  }
  static HandoffFailed failed(Generation who, const std::string& code, const std::string& why) {
    return {who, 2, code, why};
  }
  static DonorRetired retired(std::uint64_t sessions) {
    return {.generation = 1, .handoff_id = 2, .sessions = sessions, .bytes = 1000};
  }
  const Report& report() const { return upgrade.report(); }

  static DonorLate late(std::uint64_t waiting) {
    return {.generation = 1, .handoff_id = 2, .waiting = waiting, .linked = true};
  }

  Timeouts timeouts;
  Upgrade upgrade;
  Turn turn = Turn::kUnchanged;
};

TEST_F(UpgradeTest, GoesThroughItsPhasesAndMeasuresThem) {
  take_over();
  EXPECT_EQ(hear(retired(10), 211ms), "");
  EXPECT_EQ(upgrade.state(), State::kClosing);
  EXPECT_EQ(tick(212ms), "");
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kDone);
  EXPECT_EQ(report().moved, 10U);
  EXPECT_EQ(report().bytes, 1000U);
  EXPECT_EQ(report().start, 100ms);
  EXPECT_EQ(report().copy, 100ms);
  EXPECT_EQ(report().switched, 10ms);
  EXPECT_EQ(report().retire, 2ms);
  EXPECT_EQ(report().start + report().copy + report().switched + report().retire, 212ms)
      << "one after the other";
  EXPECT_EQ(report().code, "");
}

TEST_F(UpgradeTest, DoesNotWaitForTheExitOfADonorThatHasNothingLeft) {
  copy();
  EXPECT_EQ(hear(retired(10), 200ms), "");
  EXPECT_EQ(hear(owned(10, 0), 210ms), "phase retire");
  EXPECT_EQ(upgrade.state(), State::kClosing) << "what has happened meanwhile is looked at first";
  EXPECT_EQ(upgrade.deadline(), at(210ms));
  EXPECT_EQ(tick(211ms), "");
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(upgrade.donor_leaves_by(), at(30200ms));
}

TEST_F(UpgradeTest, AnHeirThatIsDeadWhenAllHasBeenSaidHasNotTakenOver) {
  take_over();
  hear(retired(10), 211ms);
  hear(Exited{2, kSegv}, 211ms);
  EXPECT_EQ(tick(212ms), "");
  EXPECT_EQ(upgrade.state(), State::kClosing);
  hear(Exited{1, kStatus0}, 220ms);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().lost, 10U);
}

TEST_F(UpgradeTest, BelievesTheReleasesOwnTimesMoreThanWhenItHeardOfThem) {
  copy();
  Owned message = owned(10, 0);
  message.frozen_at_ns = static_cast<std::uint64_t>(at(150ms).time_since_epoch().count());
  message.running_at_ns = static_cast<std::uint64_t>(at(157ms).time_since_epoch().count());
  hear(message, 300ms);
  EXPECT_EQ(report().copy, 50ms);
  EXPECT_EQ(report().switched, 7ms);
}

TEST_F(UpgradeTest, TellsTheSwitchAlsoIfTheHeirIsHeardFirst) {
  copy();
  Owned message = owned(10, 0);
  message.frozen_at_ns = static_cast<std::uint64_t>(at(150ms).time_since_epoch().count());
  EXPECT_EQ(hear(message, 210ms), "phase switch, phase retire");
  EXPECT_EQ(hear(progress(CopyPhase::kSwitch, 10, 10), 211ms), "");
}

TEST_F(UpgradeTest, MeasuresTheTransferByTheDonorsClock) {
  const auto ns = [](Time time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
  };
  copy();
  DonorRetired message = retired(10);
  message.first_fd_at_ns = ns(at(120ms));
  message.at_ns = ns(at(180ms));
  hear(message, 200ms);
  hear(owned(10, 0), 210ms);
  hear(Exited{1, kStatus0}, 250ms);
  EXPECT_EQ(report().transfer, 60ms);
}

TEST_F(UpgradeTest, AcceptsRetiredBeforeOwner) {
  copy();
  EXPECT_EQ(hear(retired(10), 200ms), "");
  EXPECT_EQ(upgrade.state(), State::kAwaitingHeir);
  EXPECT_EQ(hear(Exited{1, kStatus0}, 201ms), "");
  EXPECT_EQ(turn, Turn::kUnchanged);
  EXPECT_EQ(hear(owned(10, 0), 210ms), "phase retire");
  EXPECT_EQ(turn, Turn::kHeirOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kDone);
  EXPECT_EQ(report().retire, 0ms);
}

// ---- before the donor knows of it
// ----------------------------------------------------------------

TEST_F(UpgradeTest, TellsHowAnHeirEndedThatWasNeverReady) {
  EXPECT_EQ(hear(Exited{2, kStatus3}), "");
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kFailed);
  EXPECT_EQ(report().code, "exited");
  EXPECT_EQ(report().message, "the new release exited with status 3 before it was ready");
  EXPECT_EQ(turn, Turn::kUnchanged);
}

TEST_F(UpgradeTest, TellsWhyAnHeirCouldNotBeStarted) {
  hear(SpawnFailed{2, "/x is no executable"});
  EXPECT_EQ(report().code, "exec");
  EXPECT_EQ(report().message, "the new release could not be started: /x is no executable");
  EXPECT_EQ(upgrade.state(), State::kOver);
}

TEST_F(UpgradeTest, KillsAnHeirThatIsNotReadyInTime) {
  EXPECT_EQ(upgrade.deadline(), at(10s));
  EXPECT_EQ(tick(9999ms), "");
  EXPECT_EQ(tick(10s), "kill 2");
  EXPECT_EQ(hear(Exited{2, kKilled}, 10001ms), "");
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().code, "timeout");
  EXPECT_EQ(report().message, "the new release was not ready within 10.0 s and was ended");
}

TEST_F(UpgradeTest, LetsAnHeirThatGaveUpASecondToGo) {
  EXPECT_EQ(hear(failed(2, "version", "no state version in common")), "");
  EXPECT_EQ(upgrade.deadline(), at(1s));
  EXPECT_EQ(tick(1s), "kill 2");
  hear(Exited{2, kKilled}, 1001ms);
  EXPECT_EQ(report().code, "version");
  EXPECT_EQ(report().message, "the new release gave up: no state version in common");
}

TEST_F(UpgradeTest, DoesNotLetAnHeirOwnWhatItWasNotGiven) {
  EXPECT_EQ(hear(owned(10, 0)), "kill 2");
  EXPECT_EQ(turn, Turn::kUnchanged);
  EXPECT_EQ(report().code, "protocol");
}

TEST_F(UpgradeTest, EndsTheHeirOfAServiceThatCrashesMeanwhile) {
  EXPECT_EQ(hear(Exited{1, kSegv}), "kill 2");
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(upgrade.crash(), "was killed by SIGSEGV (core dumped)");
  hear(Exited{2, kKilled});
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().code, "peer_died");
  EXPECT_EQ(report().message,
            "the old release was killed by SIGSEGV (core dumped) before anything was handed over");
}

TEST_F(UpgradeTest, CountsTheSessionsThatADonorHadWhenItDiedBeforeItsFirstProgress) {
  EXPECT_EQ(hear(Counted{1, 7}), "");
  hear(Exited{1, kSegv});
  EXPECT_EQ(report().lost, 7U);
}

TEST_F(UpgradeTest, BelievesTheDonorsProgressMoreThanTheCountBeforeIt) {
  hear(Counted{1, 7});
  copy();
  hear(Exited{1, kSegv}, 200ms);
  hear(Exited{2, kStatus3}, 210ms);
  EXPECT_EQ(report().lost, 10U);
}

// ---- in the copy
// ---------------------------------------------------------------------------------

TEST_F(UpgradeTest, WaitsForTheDonorsWordAfterItsHeirDied) {
  copy();
  EXPECT_EQ(hear(Exited{2, kSegv}, 200ms), "");
  EXPECT_EQ(upgrade.state(), State::kAwaitingDonor);
  EXPECT_EQ(hear(failed(1, "peer_died", "the heir has died"), 210ms), "");
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(turn, Turn::kUnchanged);
  EXPECT_EQ(report().code, "exited");
  EXPECT_EQ(
      report().message,
      "the new release was killed by SIGSEGV (core dumped); the old release says: the heir has "
      "died");
}

TEST_F(UpgradeTest, TellsTheSameWhicheverIsHeardFirst) {
  copy();
  hear(failed(1, "peer_died", "the heir has died"), 200ms);
  hear(Exited{2, kSegv}, 210ms);
  EXPECT_EQ(report().code, "exited");
  EXPECT_EQ(
      report().message,
      "the new release was killed by SIGSEGV (core dumped); the old release says: the heir has "
      "died");
}

TEST_F(UpgradeTest, DoesNotBlameAnHeirForHowItGoesWhenTold) {
  copy();
  hear(failed(1, "timeout", "the freeze budget was missed"), 200ms);
  hear(Exited{2, kStatus3}, 210ms);
  EXPECT_EQ(report().code, "timeout");
  EXPECT_EQ(report().message, "the old release says: the freeze budget was missed");
}

TEST_F(UpgradeTest, SaysOnceWhatBothSay) {
  copy();
  hear(failed(2, "rejected", "no room (from the heir)"), 200ms);
  hear(failed(1, "rejected", "no room"), 210ms);
  hear(Exited{2, kStatus3}, 220ms);
  EXPECT_EQ(report().message, "the new release gave up: no room (from the heir)");
  EXPECT_EQ(report().code, "rejected");
}

TEST_F(UpgradeTest, KillsTheHeirOfADonorThatWentBackAfterASecond) {
  copy();
  EXPECT_EQ(hear(failed(1, "timeout", "the heir hangs"), 200ms), "");
  EXPECT_EQ(upgrade.deadline(), at(1200ms));
  EXPECT_EQ(tick(1200ms), "kill 2");
  EXPECT_EQ(upgrade.state(), State::kClosing);
  hear(Exited{2, kKilled}, 1201ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kFailed);
}

TEST_F(UpgradeTest, FollowsTheHeirWhenTheDonorDied) {
  copy();
  EXPECT_EQ(hear(Exited{1, kSegv}, 200ms), "");
  EXPECT_EQ(upgrade.state(), State::kAwaitingHeir);
  EXPECT_EQ(turn, Turn::kUnchanged);
  EXPECT_EQ(hear(owned(10, 0), 210ms), "phase retire");
  EXPECT_EQ(turn, Turn::kHeirOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kDone);
}

TEST_F(UpgradeTest, CountsWhatAnHeirHadToResetForADonorThatDied) {
  copy();
  hear(Exited{1, kSegv}, 200ms);
  hear(owned(7, 3), 210ms);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().moved, 7U);
  EXPECT_EQ(report().lost, 3U);
  EXPECT_EQ(report().code, "peer_died");
  EXPECT_EQ(
      report().message,
      "the old release was killed by SIGSEGV (core dumped) during the copy: the new one took over "
      "and reset 3 sessions that it had no valid state of");
}

TEST_F(UpgradeTest, TellsHowTheDonorDiedAlsoIfThatIsSeenAfterItsHeirHasTakenOver) {
  copy();
  hear(owned(9, 1), 200ms);
  hear(Exited{1, kSegv}, 210ms);
  EXPECT_EQ(
      report().message,
      "the old release was killed by SIGSEGV (core dumped) during the copy: the new one took over "
      "and reset 1 session that it had no valid state of");
}

TEST_F(UpgradeTest, SeesTheExitOfADonorThatDiedInTheSwitch) {
  copy();
  EXPECT_EQ(hear(owned(10, 0), 200ms), "phase retire");
  EXPECT_EQ(upgrade.state(), State::kClosing);
  hear(Exited{1, kKilled}, 201ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kDone);
}

TEST_F(UpgradeTest, NobodyOwnsWhenBothDied) {
  copy();
  hear(Exited{1, kSegv}, 200ms);
  hear(Exited{2, kStatus3}, 210ms);
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().lost, 10U);
  EXPECT_EQ(report().message,
            "the new release exited with status 3; the old release was killed by SIGSEGV (core "
            "dumped)");
}

TEST_F(UpgradeTest, NobodyOwnsWhenTheHeirDiedAndThenTheDonor) {
  copy();
  hear(Exited{2, kSegv}, 200ms);
  hear(Exited{1, kSegv}, 210ms);
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
}

// They speak on sockets of their own.
TEST_F(UpgradeTest, CountsWhoIsLostAlsoIfTheHeirIsHeardBeforeTheDonor) {
  hear(Registered{2}, 100ms);
  hear(failed(2, "rejected", "no"), 200ms);
  EXPECT_EQ(hear(progress(CopyPhase::kCopy, 5, 10), 201ms), "");
  hear(Exited{1, kSegv}, 202ms);
  hear(Exited{2, kStatus3}, 203ms);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().lost, 10U);
}

TEST_F(UpgradeTest, EndsAnHeirThatNeverTakesOverFromADeadDonor) {
  copy();
  hear(Exited{1, kSegv}, 200ms);
  EXPECT_EQ(upgrade.deadline(), at(200ms + 12250ms));
  EXPECT_EQ(tick(12450ms), "kill 2");
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  hear(Exited{2, kKilled}, 12451ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
}

TEST_F(UpgradeTest, KeepsADonorThatSaysNothingAfterItsHeirDied) {
  copy();
  hear(Exited{2, kSegv}, 200ms);
  EXPECT_EQ(tick(12450ms), "");
  EXPECT_EQ(turn, Turn::kUnchanged);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kFailed);
}

TEST_F(UpgradeTest, CancelsWhenNobodySaysAnythingAndThenEndsTheHeir) {
  copy();
  const auto silence = 110ms + 32250ms;
  EXPECT_EQ(tick(silence - 1ms), "");
  EXPECT_EQ(tick(silence), "cancel 1, cancel 2");
  EXPECT_EQ(tick(silence + 12250ms), "kill 2");
  EXPECT_EQ(hear(Exited{2, kKilled}, silence + 12251ms), "");
  EXPECT_EQ(tick(silence + 30s), "");
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().code, "timeout");
}

TEST_F(UpgradeTest, AnyProgressPutsOffTheEndOfPatience) {
  copy();
  hear(progress(CopyPhase::kCopy, 6, 10), 30s);
  EXPECT_EQ(tick(40s), "");
  EXPECT_EQ(upgrade.deadline(), at(30s + 32250ms));
}

// ---- after the switch
// ----------------------------------------------------------------------------

TEST_F(UpgradeTest, MakesADonorGoThatDoesNot) {
  take_over();
  EXPECT_EQ(upgrade.deadline(), at(30210ms)) << "it says nothing";
  EXPECT_EQ(tick(30210ms), "term 1");
  EXPECT_EQ(tick(32209ms), "");
  EXPECT_EQ(tick(32210ms), "kill 1");
  hear(Exited{1, kKilled}, 32211ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kDone);
}

TEST_F(UpgradeTest, ReportsAnHeirThatDiedAfterItHadTakenOver) {
  take_over();
  hear(Exited{2, kSegv}, 215ms);
  EXPECT_EQ(upgrade.state(), State::kClosing);
  hear(Exited{1, kStatus0}, 220ms);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().lost, 10U);
}

TEST_F(UpgradeTest, BelievesADonorThatSawItsHeirDieAfterItHadResumed) {
  copy();
  DonorRetired message = retired(10);
  message.heir_died = true;
  message.lost = 10;
  EXPECT_EQ(hear(message, 200ms), "kill 2");
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  hear(Exited{2, kSegv}, 201ms);
  EXPECT_EQ(upgrade.state(), State::kClosing);
  hear(Exited{1, kStatus0}, 202ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().lost, 10U);
}

TEST_F(UpgradeTest, NobodyOwnsWhenTheHeirDiedBetweenResumedAndOwner) {
  copy();
  hear(Exited{2, kSegv}, 200ms);
  hear(retired(10), 201ms);
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(report().lost, 10U);
  hear(Exited{1, kStatus0}, 202ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
}

// ---- a donor that went on, and died before its heir was gone
// -------------------------------------

TEST_F(UpgradeTest, LetsTheServiceRestartWhenTheHeirOfADeadDonorHadGivenUp) {
  copy();
  hear(failed(2, "rejected", "no"), 190ms);
  hear(failed(1, "rejected", "no"), 200ms);
  hear(Exited{1, kSegv}, 210ms);
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(upgrade.state(), State::kClosing);
  hear(Exited{2, kStatus0}, 220ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().lost, 10U);
  EXPECT_EQ(
      report().message,
      "the new release gave up: no; the old release was killed by SIGSEGV (core dumped) after "
      "the handoff had failed: no");
}

TEST_F(UpgradeTest, LetsTheServiceRestartOnceTheHeirOfADeadDonorGoes) {
  copy();
  hear(failed(1, "timeout", "x"), 200ms);
  hear(Exited{1, kSegv}, 210ms);
  EXPECT_EQ(turn, Turn::kUnchanged);
  hear(Exited{2, kStatus0}, 220ms);
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(upgrade.crash(), "was killed by SIGSEGV (core dumped)");
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kLost);
}

// The donor's Abort was still unread when it died: the heir finds it dead, and keeps what it can.
TEST_F(UpgradeTest, FollowsAnHeirThatTookOverFromADonorThatHadGoneOn) {
  copy();
  hear(failed(1, "timeout", "x"), 200ms);
  EXPECT_EQ(hear(owned(9, 1), 205ms), "");  // the donor's exit is not seen yet
  EXPECT_EQ(hear(Exited{1, kSegv}, 206ms), "phase retire");
  EXPECT_EQ(turn, Turn::kHeirOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().moved, 9U);
  EXPECT_EQ(report().lost, 1U);
}

TEST_F(UpgradeTest, NobodyOwnsWhenAnHeirDiesThatTookOverFromADonorThatHadGoneOn) {
  copy();
  hear(failed(1, "timeout", "x"), 200ms);
  hear(owned(9, 1), 205ms);
  EXPECT_EQ(hear(Exited{2, kSegv}, 206ms), "");
  EXPECT_EQ(upgrade.state(), State::kClosing);  // is the donor dead?
  hear(Exited{1, kSegv}, 207ms);
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().lost, 10U);
}

TEST_F(UpgradeTest, FollowsAnHeirThatTookOverAlsoIfTheDonorsExitIsSeenFirst) {
  copy();
  hear(failed(1, "timeout", "x"), 200ms);
  hear(Exited{1, kSegv}, 205ms);
  EXPECT_EQ(hear(owned(10, 0), 1300ms), "phase retire");
  EXPECT_EQ(turn, Turn::kHeirOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kDone);
  EXPECT_EQ(report().code, "");
}

TEST_F(UpgradeTest, LeavesAnOwnerAloneThatDoesNotSayThatItServes) {
  copy();
  hear(progress(CopyPhase::kSwitch, 10, 10), 200ms);
  hear(retired(10), 210ms);
  hear(Exited{1, kStatus0}, 211ms);
  ASSERT_EQ(upgrade.state(), State::kAwaitingHeir);
  const auto late =
      std::chrono::duration_cast<std::chrono::milliseconds>(*upgrade.deadline() - at(0ms));
  EXPECT_EQ(tick(late), "phase retire") << "it may be stopped; it is not ended";
  EXPECT_EQ(turn, Turn::kHeirOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kDone);
  EXPECT_EQ(report().moved, 10U);
}

// ---- what is not part of it
// ----------------------------------------------------------------------

TEST_F(UpgradeTest, IgnoresWhatBelongsToAnotherHandoff) {
  copy();
  EXPECT_EQ(hear(HandoffFailed{1, 77, "timeout", "an old one"}, 200ms), "");
  EXPECT_EQ(hear(DonorRetired{.generation = 1, .handoff_id = 77}, 200ms), "");
  EXPECT_EQ(hear(Progressed{.generation = 1, .handoff_id = 77}, 200ms), "");
  EXPECT_EQ(hear(Registered{9}, 200ms), "");
  EXPECT_EQ(hear(Exited{9, kSegv}, 200ms), "");
  EXPECT_EQ(upgrade.state(), State::kCopying);
}

TEST_F(UpgradeTest, EndsAnHeirThatOwnsAfterTheDonorWentBack) {
  copy();
  hear(failed(1, "timeout", "x"), 200ms);
  EXPECT_EQ(hear(owned(10, 0), 210ms), "");
  EXPECT_EQ(tick(1199ms), "");
  EXPECT_EQ(tick(1200ms), "kill 2");  // the donor lives: it can't be
  hear(Exited{2, kKilled}, 1210ms);
  EXPECT_EQ(tick(1210ms), "");
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kFailed);
  EXPECT_EQ(turn, Turn::kUnchanged);
}

// ---- cancelled
// -----------------------------------------------------------------------------------

TEST_F(UpgradeTest, CancelledBeforeTheCopyItEndsTheHeir) {
  EXPECT_EQ(show(upgrade.cancel("stopped", at(5ms)).effects), "kill 2");
  hear(Exited{2, kKilled}, 6ms);
  EXPECT_EQ(report().code, "cancelled");
}

TEST_F(UpgradeTest, CancelledInTheCopyItAsksTheDonor) {
  copy();
  EXPECT_EQ(show(upgrade.cancel("stopped", at(200ms)).effects), "cancel 1");
  EXPECT_EQ(show(upgrade.cancel("stopped", at(201ms)).effects), "");
  EXPECT_EQ(hear(failed(1, "cancelled", "asked to"), 202ms), "");
  hear(Exited{2, kStatus0}, 203ms);
  EXPECT_EQ(report().code, "cancelled");
  EXPECT_EQ(report().result, Report::Result::kFailed);
}

TEST_F(UpgradeTest, ForgetsACancelThatCameTooLate) {
  copy();
  upgrade.cancel("stopped", at(200ms));
  hear(owned(10, 0), 201ms);
  hear(Exited{1, kStatus0}, 202ms);
  EXPECT_EQ(report().result, Report::Result::kDone);
  EXPECT_EQ(report().code, "");
  EXPECT_EQ(report().message, "");
}

TEST_F(UpgradeTest, CancelledAfterTheSwitchItHurriesTheDonor) {
  take_over();
  upgrade.cancel("stopped", at(220ms));
  EXPECT_EQ(tick(220ms), "term 1");
}

// ---- sessions that stay with the donor

TEST_F(UpgradeTest, ADonorThatStaysForItsBusySessionsDoesNotHoldTheUpgradeUp) {
  take_over();
  EXPECT_NE(upgrade.state(), State::kOver);
  EXPECT_EQ(hear(late(3), 220ms), "");
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kDone);
  EXPECT_EQ(report().moved, 10u);
  EXPECT_EQ(report().waiting, 3u);
}

TEST_F(UpgradeTest, TheSameIfTheDonorIsHeardFirst) {
  copy();
  EXPECT_EQ(hear(late(3), 200ms), "");
  EXPECT_EQ(hear(owned(10, 0), 210ms), "phase retire");
  EXPECT_EQ(turn, Turn::kHeirOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().waiting, 3u);
}

TEST_F(UpgradeTest, AnHeirThatDiedWithTheOthersLeavesThemToNobody) {
  copy();
  EXPECT_EQ(hear(Exited{2, kSegv}, 200ms), "");
  EXPECT_EQ(hear(late(3), 210ms), "");
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().lost, 7u);
}

}  // namespace
}  // namespace handoff::supervisor
