// What a handoff believes of what donor and heir say, and which of the two it blames.
#include <limits>

#include "upgrade_fixture.h"

namespace handoff::supervisor {
namespace {

TEST_F(UpgradeTest, AnHeirsWordAloneMovesNothing) {
  copy();
  EXPECT_EQ(hear(owned(10, 0), 200ms), "");
  EXPECT_EQ(turn, Turn::kUnchanged);
  EXPECT_EQ(hear(progress(CopyPhase::kCopy, 8, 10), 10s), "progress") << "the donor serves on";
  EXPECT_EQ(tick(20s), "");
  EXPECT_EQ(hear(failed(1, "timeout", "the heir was silent"), 21s), "");
  EXPECT_EQ(tick(22s), "kill 2");
  hear(Exited{2, kKilled}, 22s);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(turn, Turn::kUnchanged);
  EXPECT_EQ(report().result, Report::Result::kFailed);
  EXPECT_EQ(report().lost, 0U);
  EXPECT_EQ(report().code, "protocol");
  EXPECT_EQ(report().failed, Report::Failed::kNew);
  EXPECT_EQ(report().message,
            "the new release said that it owns the sessions, and the old one has them; the old "
            "release says: the heir was silent");
}

TEST_F(UpgradeTest, AnHeirThatOwnsIsBelievedIfTheDonorHangs) {
  claim();
  EXPECT_EQ(upgrade.deadline(), at(12460ms));
  EXPECT_EQ(tick(12460ms), "phase retire");
  EXPECT_EQ(turn, Turn::kHeirOwns);
  EXPECT_EQ(report().switched, 10ms) << "as the heir said it";
}

TEST_F(UpgradeTest, AnHeirThatOwnedAndDiedLeavesItToTheDonor) {
  claim();
  hear(Exited{2, kDumped}, 220ms);
  EXPECT_EQ(upgrade.state(), State::kAwaitingDonor);
  hear(retired(10), 221ms);
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().lost, 10U);
}

TEST_F(UpgradeTest, AnHeirThatOwnedAndDiedIsBelievedIfTheDonorHangs) {
  claim();
  hear(Exited{2, kDumped}, 220ms);
  EXPECT_EQ(tick(12470ms), "");
  EXPECT_EQ(tick(42470ms), "term 1") << "nothing is started beside it";
  EXPECT_EQ(tick(44470ms), "kill 1");
  EXPECT_EQ(turn, Turn::kUnchanged);
  hear(Exited{1, kKilled}, 44471ms);
  EXPECT_EQ(turn, Turn::kNobodyOwns);
  EXPECT_EQ(report().lost, 10U);
}

TEST_F(UpgradeTest, AnHeirThatOwnedAndDiedIsNotBelievedIfTheDonorServesOn) {
  claim();
  hear(Exited{2, kDumped}, 220ms);
  EXPECT_EQ(hear(failed(1, "peer_died", "the heir has died"), 230ms), "");
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(turn, Turn::kUnchanged);
  EXPECT_EQ(report().result, Report::Result::kFailed);
}

TEST_F(UpgradeTest, WhatNobodyAccountsForIsLost) {
  copy();
  hear(owned(7, 1), 200ms);
  hear(retired(10), 210ms);
  tick(211ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().moved, 7U);
  EXPECT_EQ(report().lost, 3U);
  EXPECT_EQ(report().code, "protocol");
  EXPECT_EQ(report().message, "the old release gave 10 sessions away, and the new one knows of 8");
}

TEST_F(UpgradeTest, WhatNobodyAccountsForIsLostAlsoIfTheDonorIsHeardFirst) {
  copy();
  hear(retired(10), 200ms);
  hear(owned(4, 0), 210ms);
  tick(211ms);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().lost, 6U);
}

// ---- an heir that counts more than it was given

constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

TEST_F(UpgradeTest, AnHeirThatCountsMoreThanItWasGivenIsNotBelieved) {
  for (const std::uint64_t said : {std::uint64_t{50}, kAll}) {
    upgrade = Upgrade(1, 2, timeouts, at(0ms));
    copy();
    hear(owned(said, 0), 200ms);
    hear(retired(10), 210ms);
    tick(211ms);
    EXPECT_EQ(report().result, Report::Result::kLost) << "nobody can say that all are there";
    EXPECT_EQ(report().moved, 10U);
    EXPECT_EQ(report().lost, 0U);
    EXPECT_EQ(report().code, "protocol");
    EXPECT_EQ(report().failed, Report::Failed::kNew);
    EXPECT_EQ(report().message, "the new release says that it has " + std::to_string(said) +
                                    " sessions, and 10 were given to it");
  }
}

TEST_F(UpgradeTest, NeitherIsOneThatTakesOverBeforeTheDonorIsHeard) {
  claim();
  hear(owned(50, 0), 220ms);
  ASSERT_EQ(tick(12470ms), "phase retire") << "the donor hangs";
  hear(retired(10), 13s);
  hear(Exited{1, kStatus0}, 14s);
  EXPECT_EQ(report().moved, 10U);
  EXPECT_EQ(report().failed, Report::Failed::kNew);
}

TEST_F(UpgradeTest, CountsThatOverflowAreNoneThatAgree) {
  copy();
  hear(retired(10), 200ms);
  hear(owned(11, kAll), 210ms);
  tick(211ms);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().moved, 0U);
  EXPECT_EQ(report().lost, 10U);
  EXPECT_EQ(report().message, "the new release says that it has 11 sessions and lost " +
                                  std::to_string(kAll) + ", and 10 were given to it");
}

TEST_F(UpgradeTest, WhatIsLostOfADonorThatRetiredIsTheNewReleasesFault) {
  copy();
  hear(retired(10), 200ms);
  hear(owned(7, 3), 210ms);
  hear(Exited{1, kStatus0}, 220ms);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().moved, 7U);
  EXPECT_EQ(report().lost, 3U);
  EXPECT_EQ(report().code, "protocol");
  EXPECT_EQ(report().failed, Report::Failed::kNew);
  EXPECT_EQ(report().message,
            "the new release says that it lost 3 sessions, and the old one gave all of them away");
}

TEST_F(UpgradeTest, SoItIsOfADonorThatKeepsSome) {
  copy();
  hear(late(3), 200ms);
  hear(owned(6, 1), 210ms);
  tick(211ms);
  EXPECT_EQ(report().failed, Report::Failed::kNew);
  EXPECT_EQ(report().code, "protocol");
}

// ---- what the donor had kept

TEST_F(UpgradeTest, WhatADonorKeptIsLostIfItDiesBeforeItSpeaksOfIt) {
  copy();
  hear(keeping(8, {7, 9}), 200ms);
  hear(Exited{1, kKilled}, 210ms);
  EXPECT_EQ(turn, Turn::kHeirOwns);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().moved, 8U);
  EXPECT_EQ(report().waiting, 0U);
  EXPECT_EQ(report().lost, 2U);
  EXPECT_EQ(report().lost_ids, (std::vector<std::uint64_t>{7, 9}));
  EXPECT_EQ(report().code, "peer_died");
  EXPECT_EQ(report().failed, Report::Failed::kOld);
  EXPECT_EQ(report().message, "the old release " + describe(kKilled) +
                                  ", and had not said what became of the 2 sessions that it had "
                                  "kept");
}

TEST_F(UpgradeTest, SoItIsIfItsDeathIsHeardFirst) {
  copy();
  hear(Exited{1, kKilled}, 200ms);
  hear(keeping(9, {7}), 210ms);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().lost, 1U);
}

TEST_F(UpgradeTest, SoItIsIfItHangsAndIsEndedForThat) {
  copy();
  hear(progress(CopyPhase::kSwitch, 10, 10), 200ms);
  hear(keeping(9, {7}), 210ms);
  EXPECT_EQ(tick(12460ms), "phase retire");
  EXPECT_EQ(report().lost, 0U) << "it lives";
  EXPECT_EQ(tick(42460ms), "term 1");
  EXPECT_EQ(tick(44460ms), "kill 1");
  hear(Exited{1, kKilled}, 44461ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().result, Report::Result::kLost);
  EXPECT_EQ(report().lost, 1U);
}

TEST_F(UpgradeTest, OfWhatItKeptADonorThatSpeaksIsBelieved) {
  copy();
  hear(keeping(8, {7, 9}), 200ms);
  hear(late(2), 210ms);
  hear(Exited{1, kKilled}, 211ms);
  EXPECT_EQ(report().result, Report::Result::kDone);
  EXPECT_EQ(report().waiting, 2U);
  EXPECT_EQ(report().lost, 0U);
}

TEST_F(UpgradeTest, SoIsOneThatSaysThatItKeepsNoneByNow) {
  copy();
  hear(keeping(8, {7, 9}), 200ms);
  hear(retired(8), 210ms);
  hear(Exited{1, kKilled}, 211ms);
  EXPECT_EQ(report().result, Report::Result::kDone);
  EXPECT_EQ(report().lost, 0U);
}

TEST_F(UpgradeTest, WhatADeadDonorKeptIsLostBesideWhatADeadHeirHad) {
  copy();
  hear(keeping(8, {7, 9}), 200ms);
  tick(12450ms);
  ASSERT_EQ(turn, Turn::kHeirOwns) << "the donor hangs";
  hear(Exited{2, kDumped}, 12500ms);
  EXPECT_EQ(report().lost, 8U);
  hear(Exited{1, kKilled}, 12510ms);
  EXPECT_EQ(upgrade.state(), State::kOver);
  EXPECT_EQ(report().lost, 10U);
  EXPECT_EQ(report().failed, Report::Failed::kNew);
}

TEST_F(UpgradeTest, OfLostSessionsNoMoreThanAHundredAreNamed) {
  copy();
  hear(Exited{1, kKilled}, 200ms);
  Owned owner = keeping(5, std::vector<std::uint64_t>(100, 7));
  owner.lost = 60;
  owner.lost_ids = std::vector<std::uint64_t>(60, 6);
  hear(owner, 210ms);
  EXPECT_EQ(report().lost, 160U);
  EXPECT_EQ(report().lost_ids.size(), 100U);
}

TEST_F(UpgradeTest, AnHeirThatCountedTooManyAndDiedHasLostWhatItWasGiven) {
  copy();
  hear(retired(10), 200ms);
  hear(owned(kAll, 0), 210ms);
  hear(Exited{2, kDumped}, 215ms);
  hear(Exited{1, kStatus0}, 220ms);
  EXPECT_EQ(report().lost, 10U);
  EXPECT_NE(report().message.find("10 were given to it; the new release "), std::string::npos)
      << report().message;
}

// ---- who failed

TEST_F(UpgradeTest, BlamesTheOldReleaseForWhatItSaysOfItself) {
  copy();
  HandoffFailed echo = failed(2, "rejected", "save() of 5 failed");
  echo.of_peer = true;
  hear(echo, 200ms);
  hear(failed(1, "rejected", "save() of 5 failed"), 201ms);
  hear(Exited{2, kStatus3}, 202ms);
  EXPECT_EQ(report().message, "the old release says: save() of 5 failed");
  EXPECT_EQ(report().failed, Report::Failed::kOld);
}

TEST_F(UpgradeTest, BlamesTheNewReleaseForWhatItSaysOfItself) {
  copy();
  hear(failed(2, "rejected", "restore() of 5 failed"), 200ms);
  HandoffFailed echo = failed(1, "rejected", "restore() of 5 failed");
  echo.of_peer = true;
  hear(echo, 201ms);
  hear(Exited{2, kStatus3}, 202ms);
  EXPECT_EQ(report().message, "the new release gave up: restore() of 5 failed");
  EXPECT_EQ(report().failed, Report::Failed::kNew);
}

TEST_F(UpgradeTest, TellsWhatTheNewReleaseSaidAlsoIfOnlyTheOldOneHasHeardIt) {
  copy();
  hear(Exited{2, kStatus3}, 200ms);
  HandoffFailed echo = failed(1, "resources", "no open files left");
  echo.of_peer = true;
  hear(echo, 201ms);
  EXPECT_EQ(report().message,
            "the new release exited with status 3; the old release says: no open files left");
  EXPECT_EQ(report().failed, Report::Failed::kNew);
}

TEST_F(UpgradeTest, BlamesNobodyIfBothSayTheSameAndNeitherWhoseItIs) {
  copy();
  hear(failed(2, "rejected", "no"), 200ms);
  hear(failed(1, "rejected", "no"), 201ms);
  hear(Exited{2, kStatus3}, 202ms);
  EXPECT_EQ(report().failed, Report::Failed::kNone);
}

TEST_F(UpgradeTest, BlamesTheSilentOne) {
  copy();
  hear(failed(1, "timeout", "the heir was silent"), 200ms);
  hear(Exited{2, kStatus0}, 201ms);
  EXPECT_EQ(report().failed, Report::Failed::kNew);
}

TEST_F(UpgradeTest, BlamesTheOldReleaseForAHandoffThatItDiedIn) {
  copy();
  hear(Exited{1, kDumped}, 200ms);
  hear(owned(7, 3), 210ms);
  EXPECT_EQ(report().failed, Report::Failed::kOld);
}

}  // namespace
}  // namespace handoff::supervisor
