// A handoff up to its switch: its phases, an heir that is never ready, deaths and silence in the
// copy.
#include <gmock/gmock.h>

#include "upgrade_fixture.h"

namespace handoff::supervisor {
namespace {

TEST_F(UpgradeTest, GoesThroughItsPhasesAndMeasuresThem) {
  take_over();
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
  hear(Exited{2, kDumped}, 211ms);
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
  hear(retired(10), 310ms);
  EXPECT_EQ(report().copy, 50ms);
  EXPECT_EQ(report().switched, 7ms);
}

TEST_F(UpgradeTest, TellsTheSwitchAlsoIfTheHeirIsHeardFirst) {
  copy();
  Owned message = owned(10, 0);
  message.frozen_at_ns = static_cast<std::uint64_t>(at(150ms).time_since_epoch().count());
  EXPECT_EQ(hear(message, 210ms), "");
  EXPECT_EQ(hear(retired(10), 211ms), "phase switch, phase retire");
  EXPECT_EQ(hear(progress(CopyPhase::kSwitch, 10, 10), 212ms), "");
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

TEST_F(UpgradeTest, NamesAnHeirThatLetsItsClientsWaitBeforeItsLoopTurns) {
  const auto ns = [](Time time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
  };
  copy();
  Owned message = owned(10, 0);
  message.frozen_at_ns = ns(at(150ms));
  message.owned_at_ns = ns(at(156ms));
  message.running_at_ns = ns(at(600ms));
  hear(retired(10), 160ms);
  std::string noted;
  for (const Effect& effect : upgrade.step(message, at(601ms)).effects) {
    if (const auto* note = std::get_if<Note>(&effect)) noted += note->text;
  }
  EXPECT_EQ(report().slow, noted);
  EXPECT_EQ(report().switched, 450ms);
  EXPECT_EQ(report().first_turn, 444ms);
  EXPECT_THAT(report().slow, testing::HasSubstr("the new release took 444 ms"));
  EXPECT_EQ(report().result, Report::Result::kDone);
}

TEST_F(UpgradeTest, SaysNothingOfAnHeirThatBeginsWithinTheBudgetOrDoesNotSayWhen) {
  for (const bool says : {true, false}) {
    upgrade = Upgrade(1, 2, timeouts, at(0ms));
    copy();
    Owned message = owned(10, 0);
    message.frozen_at_ns = to_ns(at(150ms));
    message.running_at_ns = to_ns(at(200ms));
    // Whatever a release says, the part is no longer than the whole.
    if (says) message.owned_at_ns = 1;
    hear(retired(10), 160ms);
    EXPECT_EQ(hear(message, 201ms), "phase switch, phase retire");
    EXPECT_EQ(report().first_turn, says ? 50ms : 0ms);
    EXPECT_EQ(report().slow, "");
  }
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
  EXPECT_EQ(report().message,
            "the new release was not ready within 10.0 s and was ended: it has not registered, as "
            "every program does that links libhandoff (handoff_ready(); docs/guide.md shows one)");
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
  EXPECT_EQ(hear(Exited{1, kDumped}), "kill 2");
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
  hear(Exited{1, kDumped});
  EXPECT_EQ(report().lost, 7U);
}

TEST_F(UpgradeTest, BelievesTheDonorsProgressMoreThanTheCountBeforeIt) {
  hear(Counted{1, 7});
  copy();
  hear(Exited{1, kDumped}, 200ms);
  hear(Exited{2, kStatus3}, 210ms);
  EXPECT_EQ(report().lost, 10U);
}

// ---- in the copy

TEST_F(UpgradeTest, WaitsForTheDonorsWordAfterItsHeirDied) {
  copy();
  EXPECT_EQ(hear(Exited{2, kDumped}, 200ms), "");
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
  hear(Exited{2, kDumped}, 210ms);
  EXPECT_EQ(report().code, "exited");
  EXPECT_EQ(
      report().message,
      "the new release was killed by SIGSEGV (core dumped); the old release says: the heir has "
      "died");
}

TEST_F(UpgradeTest, AnHeirThatTheKernelEndedForWantOfMemoryIsToldAsThatAtAnyStep) {
  const Exit ended{.signalled = true, .number = 9, .out_of_memory = "control group /chat"};
  const std::string how =
      "the new release was killed by SIGKILL (memory ran out of control group /chat; MemoryMax= "
      "gives it more)";
  hear(Exited{2, ended});
  EXPECT_EQ(report().code, "resources");
  EXPECT_EQ(report().message, how);

  upgrade = Upgrade(1, 2, timeouts, at(0ms));
  copy();
  hear(Exited{2, ended}, 200ms);
  hear(failed(1, "peer_died", "the heir has died"), 210ms);
  EXPECT_EQ(report().code, "resources");
  EXPECT_EQ(report().message, how + "; the old release says: the heir has died");
  EXPECT_EQ(report().failed, Report::Failed::kNew);
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
  EXPECT_EQ(hear(Exited{1, kDumped}, 200ms), "");
  EXPECT_EQ(upgrade.state(), State::kAwaitingHeir);
  EXPECT_EQ(turn, Turn::kUnchanged);
  EXPECT_EQ(hear(owned(10, 0), 210ms), "phase retire");
  EXPECT_EQ(turn, Turn::kHeirOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kDone);
}

TEST_F(UpgradeTest, CountsWhatAnHeirHadToResetForADonorThatDied) {
  copy();
  hear(Exited{1, kDumped}, 200ms);
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
  hear(Exited{1, kDumped}, 210ms);
  EXPECT_EQ(
      report().message,
      "the old release was killed by SIGSEGV (core dumped) during the copy: the new one took over "
      "and reset 1 session that it had no valid state of");
}

TEST_F(UpgradeTest, SeesTheExitOfADonorThatDiedInTheSwitch) {
  copy();
  EXPECT_EQ(hear(owned(10, 0), 200ms), "");
  EXPECT_EQ(hear(Exited{1, kKilled}, 201ms), "phase retire");
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kDone);
}

TEST_F(UpgradeTest, NobodyOwnsWhenBothDied) {
  copy();
  hear(Exited{1, kDumped}, 200ms);
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
  hear(Exited{2, kDumped}, 200ms);
  hear(Exited{1, kDumped}, 210ms);
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
}

// Heir and donor speak on sockets of their own, so either may be heard first.
TEST_F(UpgradeTest, CountsWhoIsLostAlsoIfTheHeirIsHeardBeforeTheDonor) {
  hear(Registered{2}, 100ms);
  hear(failed(2, "rejected", "no"), 200ms);
  EXPECT_EQ(hear(progress(CopyPhase::kCopy, 5, 10), 201ms), "");
  hear(Exited{1, kDumped}, 202ms);
  hear(Exited{2, kStatus3}, 203ms);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().lost, 10U);
}

TEST_F(UpgradeTest, EndsAnHeirThatNeverTakesOverFromADeadDonor) {
  copy();
  hear(Exited{1, kDumped}, 200ms);
  EXPECT_EQ(upgrade.deadline(), at(200ms + 12250ms));
  EXPECT_EQ(tick(12450ms), "kill 2");
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  hear(Exited{2, kKilled}, 12451ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
}

TEST_F(UpgradeTest, KeepsADonorThatSaysNothingAfterItsHeirDied) {
  copy();
  hear(Exited{2, kDumped}, 200ms);
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

}  // namespace
}  // namespace handoff::supervisor
