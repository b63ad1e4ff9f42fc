// The life of a service, told as timelines.
#include "core/service.h"

#include <gtest/gtest.h>

#include "show.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;
using State = Service::State;

const Exit kStatus0{false, 0, false};
const Exit kStatus3{false, 3, false};
const Exit kSegv{true, 11, false};
const Exit kKilled{true, 9, false};

class ServiceTest : public testing::Test {
 protected:
  std::string hear(const Event& event, std::chrono::milliseconds when = 0ms) {
    return show(service.step(event, at(when)));
  }
  void start() {
    ASSERT_EQ(hear(StartRequested{}), "spawn 1");
    ASSERT_EQ(hear(Registered{1}), "");
    ASSERT_EQ(hear(Owned{.generation = 1}), "");
    ASSERT_EQ(service.state(), State::kRunning);
  }
  void upgrade_to_switch() {
    start();
    ASSERT_EQ(hear(HandoffRequested{}, 1s), "open");
    ASSERT_EQ(hear(CandidateReady{}, 1s), "phase start, spawn 2 candidate heir");
    ASSERT_STREQ(service.state_name(), "upgrading");
    ASSERT_EQ(hear(Registered{2}, 1s), "donate 1>2, phase copy");
  }
  static Owned owned(Generation generation) {
    return {.generation = generation, .handoff_id = generation, .sessions = 4};
  }

  Service service{{.name = "chat"}};
};

TEST_F(ServiceTest, RunsOnceItOwns) {
  EXPECT_EQ(hear(StartRequested{}), "spawn 1");
  EXPECT_STREQ(service.state_name(), "starting");
  EXPECT_EQ(service.deadline(), at(10s));
  hear(Registered{1});
  EXPECT_EQ(service.state(), State::kStarting);
  hear(Owned{.generation = 1});
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(service.deadline(), std::nullopt) << "an idle service wakes nobody";
  EXPECT_EQ(service.current(), 1U);
}

TEST_F(ServiceTest, UpgradesAndKeepsTheNewRelease) {
  upgrade_to_switch();
  EXPECT_EQ(hear(owned(2), 2s), "phase retire, take (keeps the one before)");
  EXPECT_EQ(service.current(), 2U);
  EXPECT_STREQ(service.state_name(), "upgrading");
  EXPECT_EQ(hear(Exited{1, kStatus0}, 3s), "done");
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(service.deadline(), at(32s)) << "the end of its probation";
  EXPECT_EQ(hear(Tick{}, 32s), "passed");
  EXPECT_EQ(service.deadline(), std::nullopt);
}

TEST_F(ServiceTest, AnUpgradeIsOverWhileItsDonorLeavesAndTheNextOneMayBegin) {
  upgrade_to_switch();
  hear(owned(2), 2s);
  EXPECT_EQ(hear(DonorRetired{.generation = 1, .handoff_id = 2}, 2s), "");
  EXPECT_EQ(hear(Tick{}, 2s), "done");
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(hear(HandoffRequested{}, 2s), "open");
  EXPECT_EQ(hear(CandidateReady{}, 2s), "phase start, spawn 3 candidate heir");
  EXPECT_EQ(hear(Exited{1, kStatus0}, 3s), "");
  EXPECT_TRUE(service.late().all().empty());
  hear(Registered{3}, 3s);
  hear(owned(3), 3s);
  EXPECT_EQ(service.current(), 3U);
}

TEST_F(ServiceTest, ADonorThatDoesNotLeaveIsEndedAlsoAfterTheUpgrade) {
  upgrade_to_switch();
  hear(owned(2), 2s);
  hear(DonorRetired{.generation = 1, .handoff_id = 2}, 2s);
  EXPECT_EQ(hear(Tick{}, 2s), "done");
  hear(CommitRequested{}, 2s);
  EXPECT_EQ(service.deadline(), at(32s));
  EXPECT_EQ(hear(Tick{}, 32s), "term 1");
  EXPECT_EQ(hear(Tick{}, 34s), "kill 1");
  hear(Exited{1, kStatus0}, 34s);
  EXPECT_EQ(service.deadline(), std::nullopt);
}

TEST_F(ServiceTest, AStopWaitsForADonorThatIsLeaving) {
  upgrade_to_switch();
  hear(owned(2), 2s);
  hear(DonorRetired{.generation = 1, .handoff_id = 2}, 2s);
  hear(Tick{}, 2s);
  hear(StopRequested{}, 2s);
  EXPECT_EQ(hear(Exited{2, kStatus0}, 3s), "");
  EXPECT_EQ(hear(Exited{1, kStatus0}, 3s), "stopped");
}

TEST_F(ServiceTest, OneThatReturnsAndHasNothingLeftIsSeenOut) {
  start();
  hear(DonorRetired{.generation = 7, .handoff_id = 1}, 2s);
  EXPECT_EQ(hear(Tick{}, 32s), "term 7");
  hear(Exited{7, kStatus0}, 32s);
  EXPECT_EQ(service.deadline(), std::nullopt);
}

TEST_F(ServiceTest, AFailedUpgradeLeavesEverythingAsItWas) {
  upgrade_to_switch();
  hear(HandoffFailed{1, 2, "timeout", "budget"}, 2s);
  EXPECT_EQ(hear(Exited{2, kStatus0}, 2s), "drop, failed(timeout)");
  EXPECT_EQ(service.current(), 1U);
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(service.deadline(), std::nullopt);
}

TEST_F(ServiceTest, LateSessionsGoWhereverTheOwnerIs) {
  upgrade_to_switch();
  hear(owned(2), 2s);
  EXPECT_EQ(hear(DonorLate{.generation = 1, .handoff_id = 2, .waiting = 3, .linked = true}, 2s),
            "drain 1, done");
  EXPECT_STREQ(service.state_name(), "running");
  // The owner dies: the next one gets a link to the late one.
  hear(Exited{2, kSegv}, 3s);
  EXPECT_EQ(hear(DonorLate{.generation = 1, .handoff_id = 2, .waiting = 3}, 3s), "");
  EXPECT_EQ(hear(Tick{}, 4s), "spawn 3");
  hear(Registered{3}, 4s);
  EXPECT_EQ(hear(Owned{.generation = 3}, 4s), "went back 2>3 lost 4, relink 1>3");
  EXPECT_EQ(hear(StopRequested{}, 5s), "stop 1, stop 3");
}

TEST_F(ServiceTest, AProgressiveUpgradeIsGivenBackWhenAnotherHandoffBeginsBeforeItsEnd) {
  start();
  hear(HandoffRequested{.shares = {10, 100, 1000}, .pause = 30s}, 1s);
  hear(CandidateReady{}, 1s);
  hear(Registered{2}, 1s);
  hear(owned(2), 2s);
  EXPECT_EQ(hear(DonorLate{.generation = 1, .handoff_id = 2, .waiting = 300, .linked = true}, 2s),
            "done");
  EXPECT_EQ(service.deadline(), at(32s));
  EXPECT_EQ(hear(Tick{}, 32s), "spread 1 100, spread 2 100");
  EXPECT_EQ(hear(HandoffRequested{.to = Probation::Origin::kSame}, 40s),
            "spread 1 0, spread 2 0, phase start, spawn 3 heir");
  hear(Registered{3}, 40s);
  EXPECT_EQ(hear(owned(3), 41s), "phase retire, spread 1 1000, drain 1");
  EXPECT_EQ(hear(Exited{2, kStatus0}, 42s), "done, passed");
}

TEST_F(ServiceTest, AProgressiveUpgradeEndsWithTheLastShareAndThenTheDrainBegins) {
  start();
  hear(HandoffRequested{.shares = {10, 1000}, .pause = 30s}, 1s);
  hear(CandidateReady{}, 1s);
  hear(Registered{2}, 1s);
  hear(DonorLate{.generation = 1, .handoff_id = 2, .waiting = 300, .linked = true}, 2s);
  hear(owned(2), 2s);
  EXPECT_EQ(hear(Tick{}, 32s), "spread 1 1000, spread 2 1000, drain 1");
  hear(DonorRetired{.generation = 1, .handoff_id = 2}, 33s);
  hear(Exited{1, kStatus0}, 33s);
  EXPECT_EQ(service.deadline(), at(62s)) << "the end of its probation, begun anew";
  EXPECT_EQ(hear(Tick{}, 62s), "passed");
  EXPECT_EQ(service.deadline(), std::nullopt);
}

TEST_F(ServiceTest, RestartIsAHandoffToTheSameRelease) {
  start();
  EXPECT_EQ(hear(HandoffRequested{.to = Probation::Origin::kSame}), "phase start, spawn 2 heir");
  hear(Registered{2});
  EXPECT_EQ(hear(owned(2)), "phase retire");
  EXPECT_EQ(hear(Exited{1, kStatus0}), "done");
}

TEST_F(ServiceTest, OneUpgradeAtATime) {
  start();
  EXPECT_EQ(hear(HandoffRequested{}), "open");
  EXPECT_EQ(hear(HandoffRequested{}), "refuse(busy)") << "while the file is being opened, too";
  hear(CandidateReady{});
  EXPECT_EQ(hear(HandoffRequested{}), "refuse(busy)");
}

TEST_F(ServiceTest, ACandidateThatCantBeOpenedIsRefused) {
  start();
  hear(HandoffRequested{});
  EXPECT_EQ(hear(CandidateFailed{"open", "no such file"}), "refuse(open)");
  EXPECT_EQ(hear(HandoffRequested{}), "open");
}

TEST_F(ServiceTest, ACandidateForAServiceThatDiedMeanwhileIsRefused) {
  start();
  hear(HandoffRequested{}, 1s);
  hear(Exited{1, kSegv}, 1s);
  hear(Tick{}, 1100ms);
  EXPECT_EQ(hear(CandidateReady{}, 1101ms), "drop, refuse(busy)");
}

// ---- dying and coming back
// -----------------------------------------------------------------------

TEST_F(ServiceTest, RestartsWithABackOffThatDoubles) {
  start();
  EXPECT_EQ(hear(Exited{1, kSegv}, 1s), "");
  EXPECT_STREQ(service.state_name(), "backoff");
  EXPECT_EQ(service.deadline(), at(1100ms));
  EXPECT_EQ(hear(Tick{}, 1099ms), "");
  EXPECT_EQ(hear(Tick{}, 1100ms), "spawn 2");
  EXPECT_EQ(service.restarts(), 1U);
  hear(Exited{2, kStatus3}, 1110ms);
  EXPECT_EQ(service.deadline(), at(1310ms));
  hear(Tick{}, 1310ms);
  hear(Exited{3, kStatus3}, 1320ms);
  EXPECT_EQ(service.deadline(), at(1720ms));
}

TEST_F(ServiceTest, ForgetsThePastAfterAMinuteOfRunning) {
  start();
  hear(Exited{1, kSegv}, 1s);
  hear(Tick{}, 1100ms);
  hear(Owned{.generation = 2}, 1200ms);
  hear(Exited{2, kSegv}, 62s);
  EXPECT_EQ(service.deadline(), at(62100ms));
}

TEST_F(ServiceTest, KillsAProcessThatDoesNotServeInTime) {
  hear(StartRequested{});
  hear(Registered{1}, 1s);
  EXPECT_EQ(hear(Tick{}, 10s), "kill 1");
  hear(Exited{1, kKilled}, 10s);
  EXPECT_STREQ(service.state_name(), "backoff");
}

TEST_F(ServiceTest, StaysDownWhereThatIsAsked) {
  Service single{{.name = "job", .restart = false}};
  single.step(StartRequested{}, at(0ms));
  single.step(Owned{.generation = 1}, at(0ms));
  single.step(Exited{1, kStatus0}, at(1s));
  EXPECT_EQ(single.state(), State::kStopped);
  EXPECT_TRUE(single.idle());
}

TEST_F(ServiceTest, TriesAgainWhatCouldNotBeStarted) {
  hear(StartRequested{});
  EXPECT_EQ(hear(SpawnFailed{1, "fork: no memory"}), "");
  EXPECT_STREQ(service.state_name(), "backoff");
}

TEST_F(ServiceTest, AnHeirThatDiesAfterTakingOverIsReplacedAtOnceBesideTheDrainingDonor) {
  upgrade_to_switch();
  hear(owned(2), 2s);
  EXPECT_EQ(hear(Exited{2, kSegv}, 2100ms), "not passed(it was killed by SIGSEGV), take back");
  EXPECT_STREQ(service.state_name(), "backoff");
  EXPECT_EQ(hear(Tick{}, 2200ms), "spawn 3");
  EXPECT_EQ(hear(Exited{1, kStatus0}, 2300ms), "lost(exited)");
  EXPECT_EQ(hear(Owned{.generation = 3}, 2400ms), "went back 2>3 lost 4");
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(service.current(), 3U);
}

TEST_F(ServiceTest, BothDyingInTheCopyIsACrashOfTheOldRelease) {
  upgrade_to_switch();
  hear(Exited{1, kSegv}, 2s);
  EXPECT_STREQ(service.state_name(), "upgrading") << "the heir may still take over";
  EXPECT_EQ(hear(Exited{2, kSegv}, 2s), "drop, lost(exited)");
  EXPECT_STREQ(service.state_name(), "backoff");
  EXPECT_EQ(hear(Tick{}, 3s), "spawn 3");
}

// ---- stopping
// ------------------------------------------------------------------------------------

TEST_F(ServiceTest, StopsByTheProtocol) {
  start();
  EXPECT_EQ(hear(StopRequested{}, 1s), "stop 1");
  EXPECT_STREQ(service.state_name(), "stopping");
  EXPECT_EQ(hear(HandoffRequested{}, 1s), "refuse(busy)");
  EXPECT_EQ(hear(Exited{1, kStatus0}, 2s), "stopped");
  EXPECT_STREQ(service.state_name(), "stopped");
  EXPECT_TRUE(service.idle());
}

TEST_F(ServiceTest, StopsByASignalWhoNeverRegistered) {
  hear(StartRequested{});
  EXPECT_EQ(hear(StopRequested{}, 1s), "term 1");
  EXPECT_EQ(hear(Tick{}, 31s), "kill 1");
  EXPECT_EQ(hear(Exited{1, kKilled}, 31s), "stopped");
}

TEST_F(ServiceTest, KillsWhoIsStillThereAfterTheDrain) {
  start();
  hear(StopRequested{}, 1s);
  EXPECT_EQ(hear(Tick{}, 30999ms), "");
  EXPECT_EQ(hear(Tick{}, 31s), "kill 1");
}

TEST_F(ServiceTest, ASecondStopAtOnceKills) {
  start();
  hear(StopRequested{}, 1s);
  EXPECT_EQ(hear(StopRequested{.at_once = true}, 2s), "kill 1");
}

TEST_F(ServiceTest, StoppingWhatIsStoppedIsDone) {
  EXPECT_EQ(hear(StopRequested{}), "stopped");
  start();
  hear(StopRequested{});
  hear(Exited{1, kStatus0});
  EXPECT_EQ(hear(StopRequested{}), "stopped");
}

TEST_F(ServiceTest, StopEndsTheBackOff) {
  start();
  hear(Exited{1, kSegv}, 1s);
  EXPECT_EQ(hear(StopRequested{}, 1s), "stopped");
  EXPECT_EQ(service.deadline(), std::nullopt);
}

TEST_F(ServiceTest, StopInTheCopyGivesTheHandoffUpFirst) {
  upgrade_to_switch();
  EXPECT_EQ(hear(StopRequested{}, 2s), "cancel 1");
  EXPECT_STREQ(service.state_name(), "stopping");
  hear(HandoffFailed{1, 2, "cancelled", "asked to"}, 2s);
  EXPECT_EQ(hear(Exited{2, kStatus0}, 2s), "drop, failed(cancelled), stop 1");
  EXPECT_EQ(hear(Exited{1, kStatus0}, 3s), "stopped");
}

TEST_F(ServiceTest, StopThatComesTooLateForTheHandoffStopsTheHeir) {
  upgrade_to_switch();
  hear(StopRequested{}, 2s);
  EXPECT_EQ(hear(owned(2), 2s), "phase retire, take (keeps the one before), stop 2");
  EXPECT_EQ(hear(Exited{2, kStatus0}, 2s), "");
  EXPECT_EQ(hear(Exited{1, kStatus0}, 3s), "lost(exited), stopped");
}

TEST_F(ServiceTest, StopWhileTheOldProcessDrainsStopsBoth) {
  upgrade_to_switch();
  hear(owned(2), 2s);
  EXPECT_EQ(hear(StopRequested{}, 3s), "stop 2");
  EXPECT_EQ(hear(Tick{}, 3s), "term 1");
  EXPECT_EQ(hear(Exited{1, kStatus0}, 3s), "done");
  EXPECT_EQ(hear(Exited{2, kStatus0}, 3s), "stopped");
}

TEST_F(ServiceTest, StopWhileACandidateIsOpenedRefusesTheUpgrade) {
  start();
  hear(HandoffRequested{});
  EXPECT_EQ(hear(StopRequested{}), "refuse(cancelled), stop 1");
  hear(Exited{1, kStatus0});
  EXPECT_EQ(hear(CandidateReady{}), "drop");
}

// ---- upgrades of what does not run
// ---------------------------------------------------------------

TEST_F(ServiceTest, UpgradeOfAStoppedServiceStartsTheNewRelease) {
  EXPECT_EQ(hear(HandoffRequested{}), "open");
  EXPECT_EQ(hear(CandidateReady{}), "phase start, spawn 1 candidate");
  hear(Registered{1});
  EXPECT_EQ(hear(Owned{.generation = 1}), "take (keeps the one before), done");
  EXPECT_STREQ(service.state_name(), "running");
}

TEST_F(ServiceTest, ANewReleaseThatDoesNotStartLeavesAStoppedServiceStopped) {
  hear(HandoffRequested{});
  hear(CandidateReady{});
  EXPECT_EQ(hear(Exited{1, kStatus3}), "drop, failed(exited)");
  EXPECT_STREQ(service.state_name(), "stopped");
  EXPECT_TRUE(service.idle());
}

TEST_F(ServiceTest, ANewReleaseEndsABackOff) {
  start();
  hear(Exited{1, kSegv}, 1s);
  hear(HandoffRequested{}, 1050ms);
  EXPECT_EQ(hear(CandidateReady{}, 1060ms), "phase start, spawn 2 candidate");
  EXPECT_EQ(hear(Owned{.generation = 2}, 1070ms), "take (keeps the one before), done");
}

TEST_F(ServiceTest, AFailedNewReleaseGoesBackToTheBackOff) {
  start();
  hear(Exited{1, kSegv}, 1s);
  hear(HandoffRequested{}, 1050ms);
  hear(CandidateReady{}, 1060ms);
  EXPECT_EQ(hear(Tick{}, 11060ms), "kill 2");
  EXPECT_EQ(hear(Exited{2, kKilled}, 11061ms), "drop, failed(timeout)");
  EXPECT_STREQ(service.state_name(), "backoff");
  EXPECT_EQ(hear(Tick{}, 20s), "spawn 3") << "of the old release";
}

TEST_F(ServiceTest, StopEndsAFreshUpgrade) {
  hear(HandoffRequested{});
  hear(CandidateReady{});
  EXPECT_EQ(hear(StopRequested{}), "term 1");
  EXPECT_EQ(hear(Exited{1, kStatus0}), "drop, failed(cancelled), stopped");
}

// ---- what another supervisor has left
// ---------------------------------------------------------------

TEST_F(ServiceTest, AdoptsTheProcessThatReportsBack) {
  EXPECT_EQ(hear(Found{.last = 7, .current = 5, .restarts = 2}), "");
  EXPECT_STREQ(service.state_name(), "adopting");
  EXPECT_EQ(service.deadline(), std::nullopt) << "its silence is no reason to end it";
  EXPECT_EQ(hear(HandoffRequested{}), "refuse(busy)");
  hear(Registered{5, true, 0});
  EXPECT_EQ(hear(Owned{.generation = 5}), "");
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(service.restarts(), 2U);
  EXPECT_EQ(hear(HandoffRequested{}), "open");
  EXPECT_EQ(hear(CandidateReady{}), "phase start, spawn 8 candidate heir") << "numbers go on";
}

TEST_F(ServiceTest, StartsAnewWhatDiedBeforeItWasAdopted) {
  hear(Found{.last = 5, .current = 5});
  EXPECT_EQ(hear(Exited{5, {.unseen = true}}), "");
  EXPECT_STREQ(service.state_name(), "backoff");
  EXPECT_EQ(hear(Tick{}, 1min), "spawn 6");
}

TEST_F(ServiceTest, StopsWhatNeverReportedBack) {
  hear(Found{.last = 5, .current = 5});
  EXPECT_EQ(hear(StopRequested{}), "term 5") << "nobody knows whether it would understand Stop";
  EXPECT_EQ(hear(Tick{}, 1min), "kill 5");
  EXPECT_EQ(hear(Exited{5, kKilled}, 1min), "stopped");
}

TEST_F(ServiceTest, NumbersGoOnWhenNobodyIsLeft) {
  EXPECT_EQ(hear(Found{.last = 5}), "");
  EXPECT_EQ(hear(StartRequested{}), "spawn 6");
}

class ResumedTest : public ServiceTest {
 protected:
  void SetUp() override {
    hear(Found{.last = 6, .current = 5, .heir = 6, .candidate = true});
    ASSERT_STREQ(service.state_name(), "adopting");
    ASSERT_EQ(service.deadline(), std::nullopt) << "the heir may be the owner";
  }
};

TEST_F(ResumedTest, TheHeirReportsThatItOwns) {
  hear(Exited{5, {.unseen = true}});
  EXPECT_EQ(hear(Registered{6, true, 0}), "");
  EXPECT_EQ(hear(owned(6)), "phase retire, take (keeps the one before), done");
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(service.current(), 6U);
}

TEST_F(ResumedTest, TheDonorHasNeverHeardOfIt) {
  hear(Registered{5, true, 0});
  EXPECT_EQ(hear(Owned{.generation = 5}), "");
  EXPECT_STREQ(service.state_name(), "upgrading") << "until the heir is gone";
  EXPECT_EQ(hear(Exited{6, {.unseen = true}}), "drop, failed(cancelled)");
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(service.current(), 5U);
}

TEST_F(ResumedTest, TheDonorSaysWhyItFailed) {
  hear(Registered{5, true, 0});
  hear(HandoffFailed{5, 6, "timeout", "budget"});
  hear(Owned{.generation = 5});
  EXPECT_EQ(hear(Exited{6, kStatus0}), "drop, failed(timeout)");
  EXPECT_EQ(service.current(), 5U);
}

TEST_F(ResumedTest, BothAreStillAtIt) {
  hear(Registered{6, true, 6});
  EXPECT_NE(service.deadline(), std::nullopt) << "from here on it is like any other";
  hear(Registered{5, true, 6});
  EXPECT_EQ(hear(Owned{.generation = 5}), "");
  EXPECT_STREQ(service.state_name(), "upgrading");
  EXPECT_EQ(hear(owned(6)), "phase retire, take (keeps the one before)");
  EXPECT_EQ(hear(Exited{5, kStatus0}), "done");
}

TEST_F(ResumedTest, NobodyIsLeft) {
  hear(Exited{6, {.unseen = true}});
  EXPECT_EQ(hear(Exited{5, {.unseen = true}}), "drop, lost(exited)");
  EXPECT_STREQ(service.state_name(), "backoff");
}

TEST_F(ResumedTest, AnHeirThatNeverReportsIsLeftAlone) {
  hear(Registered{5, true, 6});
  hear(DonorRetired{.generation = 5, .handoff_id = 6, .sessions = 4});
  hear(Exited{5, kStatus0});
  EXPECT_EQ(service.deadline(), std::nullopt);
  EXPECT_EQ(hear(Tick{}, 24h), "");
}

}  // namespace
}  // namespace handoff::supervisor
