// A service that is stopped, requests to a stopped service, and a service that another supervisor
// has left.
#include "service_fixture.h"

namespace handoff::supervisor {
namespace {

// ---- stopping

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
  EXPECT_EQ(switched(1, 2, 2s), "phase retire, take (keeps the one before), stop 2");
  EXPECT_EQ(hear(Exited{2, kStatus0}, 2s), "");
  EXPECT_EQ(hear(Exited{1, kStatus0}, 3s), "lost(exited), stopped");
}

TEST_F(ServiceTest, StopWhileTheOldProcessDrainsStopsBoth) {
  upgrade_to_switch();
  switched(1, 2, 2s);
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
  EXPECT_EQ(hear(Exited{2, kKilled}, 11061ms), "look for children of 2, drop, failed(timeout)");
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
  EXPECT_EQ(switched(5, 6), "phase retire, take (keeps the one before)");
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
