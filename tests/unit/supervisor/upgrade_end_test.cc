// A handoff after its switch, or after its failure: deaths, late messages, cancellation.
#include "upgrade_fixture.h"

namespace handoff::supervisor {
namespace {

// ---- after the switch

TEST_F(UpgradeTest, MakesADonorGoThatDoesNot) {
  claim();
  EXPECT_EQ(tick(12460ms), "phase retire") << "it says nothing";
  EXPECT_EQ(upgrade.deadline(), at(42460ms));
  EXPECT_EQ(tick(42460ms), "term 1");
  EXPECT_EQ(tick(44459ms), "");
  EXPECT_EQ(tick(44460ms), "kill 1");
  hear(Exited{1, kKilled}, 44461ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kDone);
}

TEST_F(UpgradeTest, ADonorMaySayWhatStaysWithItHoweverShortTheDrain) {
  timeouts.drain = 0ms;
  upgrade = Upgrade(1, 2, timeouts, at(0ms));
  claim();
  EXPECT_EQ(tick(5s), "") << "a busy host; it may have sessions that are busy, too";
  EXPECT_EQ(hear(late(3), 6s), "phase retire");
  EXPECT_EQ(upgrade.state(), State::kOver);
}

TEST_F(UpgradeTest, TheDrainCountsFromTheDonorsWord) {
  timeouts.drain = 0ms;
  upgrade = Upgrade(1, 2, timeouts, at(0ms));
  claim();
  hear(retired(10), 6s);
  EXPECT_EQ(upgrade.deadline(), at(6s));
  EXPECT_EQ(tick(6s), "term 1");
}

TEST_F(UpgradeTest, ADonorThatSaysNothingIsNotWaitedForForEver) {
  timeouts.drain = 0ms;
  upgrade = Upgrade(1, 2, timeouts, at(0ms));
  claim();
  ASSERT_TRUE(upgrade.deadline());
  EXPECT_GT(*upgrade.deadline(), at(210ms) + timeouts.stall);
  EXPECT_EQ(show(upgrade.step(Tick{}, *upgrade.deadline()).effects), "phase retire");
  EXPECT_EQ(show(upgrade.step(Tick{}, *upgrade.deadline()).effects), "term 1");
}

TEST_F(UpgradeTest, ReportsAnHeirThatDiedAfterItHadTakenOver) {
  take_over();
  hear(Exited{2, kDumped}, 215ms);
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
  hear(Exited{2, kDumped}, 201ms);
  EXPECT_EQ(upgrade.state(), State::kClosing);
  hear(Exited{1, kStatus0}, 202ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().lost, 10U);
}

TEST_F(UpgradeTest, NobodyOwnsWhenTheHeirDiedBetweenResumedAndOwner) {
  copy();
  hear(Exited{2, kDumped}, 200ms);
  hear(retired(10), 201ms);
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(report().lost, 10U);
  hear(Exited{1, kStatus0}, 202ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
}

// ---- a donor that went on, and died before its heir was gone

TEST_F(UpgradeTest, LetsTheServiceRestartWhenTheHeirOfADeadDonorHadGivenUp) {
  copy();
  hear(failed(2, "rejected", "no"), 190ms);
  hear(failed(1, "rejected", "no"), 200ms);
  hear(Exited{1, kDumped}, 210ms);
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
  hear(Exited{1, kDumped}, 210ms);
  EXPECT_EQ(turn, Turn::kUnchanged);
  hear(Exited{2, kStatus0}, 220ms);
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(upgrade.crash(), "was killed by SIGSEGV (core dumped)");
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kLost);
}

// The donor died with its Abort unread: the heir finds it dead, and keeps what it can.
TEST_F(UpgradeTest, FollowsAnHeirThatTookOverFromADonorThatHadGoneOn) {
  copy();
  hear(failed(1, "timeout", "x"), 200ms);
  EXPECT_EQ(hear(owned(9, 1), 205ms), "");  // the donor's exit is not seen yet
  EXPECT_EQ(hear(Exited{1, kDumped}, 206ms), "phase retire");
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
  EXPECT_EQ(hear(Exited{2, kDumped}, 206ms), "");
  EXPECT_EQ(upgrade.state(), State::kClosing);  // is the donor dead?
  hear(Exited{1, kDumped}, 207ms);
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().lost, 10U);
}

TEST_F(UpgradeTest, FollowsAnHeirThatTookOverAlsoIfTheDonorsExitIsSeenFirst) {
  copy();
  hear(failed(1, "timeout", "x"), 200ms);
  hear(Exited{1, kDumped}, 205ms);
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

TEST_F(UpgradeTest, IgnoresWhatBelongsToAnotherHandoff) {
  copy();
  EXPECT_EQ(hear(HandoffFailed{1, 77, "timeout", "an old one"}, 200ms), "");
  EXPECT_EQ(hear(DonorRetired{.generation = 1, .handoff_id = 77}, 200ms), "");
  EXPECT_EQ(hear(Progressed{.generation = 1, .handoff_id = 77}, 200ms), "");
  EXPECT_EQ(hear(Registered{9}, 200ms), "");
  EXPECT_EQ(hear(Exited{9, kDumped}, 200ms), "");
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
  claim();
  EXPECT_EQ(hear(late(3), 220ms), "phase retire");
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
  EXPECT_EQ(hear(Exited{2, kDumped}, 200ms), "");
  EXPECT_EQ(hear(late(3), 210ms), "");
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().lost, 7u);
}

}  // namespace
}  // namespace handoff::supervisor
