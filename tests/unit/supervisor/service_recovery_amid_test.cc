// A process that had a vault has died in the middle of something else: an upgrade, a stop, a
// probation, or the death of its supervisor.
#include "recovery_fixture.h"

namespace handoff::supervisor {
namespace {

using ServiceRecoveryAmidTest = ServiceRecoveryTest;

// ---- in the middle of something else --------------------------------------------------------

TEST_F(ServiceRecoveryAmidTest, ADonorDiesBeforeItsHeirIsReady) {
  start();
  hear(HandoffRequested{}, 1s);
  hear(CandidateReady{}, 1s);
  EXPECT_EQ(hear(died(1), 1s), "kill 2");
  EXPECT_STREQ(service.state_name(), "recovering");
  const Effects effects = service.step(Exited{2, {.signalled = true, .number = 9}}, at(1s));
  EXPECT_EQ(show(effects),
            "drop, failed(peer_died), phase start, spawn 3 reads vault of 1, spawn 4 heir");
  EXPECT_EQ(find<Conclude>(effects)->report.lost, 0U);
  recover(1, 3, 4);
}

TEST_F(ServiceRecoveryAmidTest, ADonorDiesInMidCopy) {
  upgrade_to_switch();
  hear(Progressed{.generation = 1, .handoff_id = 2, .phase = CopyPhase::kCopy, .sessions_total = 4},
       1s);
  EXPECT_EQ(hear(died(1), 1s), "");
  EXPECT_EQ(hear(HandoffFailed{2, 2, "peer_died", "its vault has its sessions"}, 1s), "");
  const Effects effects = service.step(Exited{2, {.number = 1}, VaultLeft{}}, at(1s));
  EXPECT_EQ(show(effects),
            "drop vault of 2, drop, failed(peer_died), phase start, spawn 3 reads vault of 1, "
            "spawn 4 heir");
  EXPECT_EQ(find<Conclude>(effects)->report.lost, 0U);
  recover(1, 3, 4);
}

TEST_F(ServiceRecoveryAmidTest, ADonorDiesAndItsHeirHasAll) {
  upgrade_to_switch();
  EXPECT_EQ(hear(died(1), 1s), "");
  EXPECT_EQ(hear(owned(2), 1s), "phase retire, drop vault of 1, take (keeps the one before), done");
  EXPECT_EQ(service.current(), 2U);
  EXPECT_STREQ(service.state_name(), "running");
}

TEST_F(ServiceRecoveryAmidTest, BothDieAndTheHeirHadOwned) {
  upgrade_to_switch();
  hear(died(1), 1s);
  EXPECT_EQ(hear(died(2), 1s),
            "take (keeps the one before), failed(exited), phase start, spawn 3 reads vault of 2, "
            "spawn 4 heir")
      << "its donor's is older, and what it has left is its release's";
  goes_on(3, 4);
  EXPECT_EQ(switched(3, 4, 1s), "phase retire, drop vault of 1, drop vault of 2");
}

TEST_F(ServiceRecoveryAmidTest, BothDieAndTheHeirHadNot) {
  upgrade_to_switch();
  hear(died(1), 1s);
  EXPECT_EQ(hear(Exited{2, {.number = 1}, VaultLeft{}}, 1s),
            "drop vault of 2, drop, failed(exited), phase start, spawn 3 reads vault of 1, spawn 4 "
            "heir");
}

// A retired donor has closed its sockets, and says so in its vault.
TEST_F(ServiceRecoveryAmidTest, ADonorThatHasRetiredIsNotGoneOnFrom) {
  upgrade_to_switch();
  EXPECT_EQ(hear(DonorRetired{.generation = 1, .handoff_id = 2, .sessions = 4}, 1s), "");
  EXPECT_EQ(hear(Exited{1, {}, VaultLeft{}}, 1s), "drop vault of 1, look for children of 1");
  const Effects effects =
      service.step(Exited{2, {.signalled = true, .number = 9}, VaultLeft{}}, at(1s));
  EXPECT_EQ(find<Conclude>(effects)->report.result, Report::Result::kLost);
  EXPECT_EQ(service.state(), State::kBackoff);
}

// Such an heir never came to say that it owns.
TEST_F(ServiceRecoveryAmidTest, AnHeirThatDiesRightAfterTheSwitchIsGoneOnFromInItsRelease) {
  upgrade_to_switch();
  hear(DonorRetired{.generation = 1, .handoff_id = 2, .sessions = 4}, 1s);
  hear(Exited{1, {}, VaultLeft{}}, 1s);
  const Effects effects = service.step(died(2), at(1s));
  EXPECT_NE(find<TakeCandidate>(effects), nullptr);
  EXPECT_EQ(find<DropCandidate>(effects), nullptr);
  EXPECT_EQ(find<Conclude>(effects)->report.lost, 0U);
  ASSERT_NE(find<Spawn>(effects), nullptr);
  EXPECT_EQ(find<Spawn>(effects)->vault_of, 2U);
  EXPECT_STREQ(service.state_name(), "recovering");
}

TEST_F(ServiceRecoveryAmidTest, ADonorThatEndsAfterTheSwitchIsNotGoneOnFrom) {
  upgrade_to_switch();
  switched(1, 2, 1s);
  EXPECT_EQ(hear(died(1), 1s).find("spawn"), std::string::npos);
  EXPECT_EQ(service.current(), 2U);
}

TEST_F(ServiceRecoveryAmidTest, AnUpgradeWhoseReleaseIsBeingOpenedIsRefused) {
  start();
  hear(HandoffRequested{.id = 5}, 1s);
  EXPECT_EQ(hear(died(1), 1s), "refuse(busy), phase start, spawn 2 reads vault of 1, spawn 3 heir");
  EXPECT_EQ(hear(CandidateReady{}, 1s), "drop");
  recover(1, 2, 3);
}

TEST_F(ServiceRecoveryAmidTest, NothingElseBeginsMeanwhile) {
  start();
  hear(died(1), 1s);
  EXPECT_EQ(hear(HandoffRequested{}, 1s), "refuse(busy)");
  EXPECT_EQ(hear(CommitRequested{}, 1s), "refuse(busy)");
  EXPECT_FALSE(service.takes_orphans());
}

TEST_F(ServiceRecoveryAmidTest, OneThatLeavesByItselfHasLeft) {
  start();
  hear(Leaves{1, "done"}, 1s);
  EXPECT_EQ(hear(died(1), 1s), "drop vault of 1");
  EXPECT_EQ(service.state(), State::kStopped);
}

TEST_F(ServiceRecoveryAmidTest, AStopIsNoDeath) {
  start();
  hear(StopRequested{.to_stay = true}, 1s);
  EXPECT_EQ(hear(died(1), 1s), "drop vault of 1, stopped");
}

TEST_F(ServiceRecoveryAmidTest, AStopEndsARecovery) {
  start();
  hear(Counted{1, 7}, 500ms);
  hear(died(1), 1s);
  goes_on(2, 3);
  EXPECT_EQ(hear(StopRequested{.to_stay = true}, 1s), "cancel 2");
  EXPECT_EQ(hear(HandoffFailed{2, 3, "cancelled", "stopped"}, 1s), "");
  const Effects effects = service.step(Exited{3, {.number = 1}}, at(1s));
  EXPECT_EQ(show(effects), "drop vault of 1, stop 2");
  const auto* crashed = find<Crashed>(effects);
  ASSERT_NE(crashed, nullptr) << "nobody has drained them";
  EXPECT_EQ(crashed->sessions, 7U);
  EXPECT_EQ(hear(Exited{2, {}}, 1s), "stopped");
  EXPECT_TRUE(service.idle());
}

TEST_F(ServiceRecoveryAmidTest, AStopThatComesTooLateStopsTheNextProcess) {
  start();
  hear(died(1), 1s);
  goes_on(2, 3);
  EXPECT_EQ(hear(StopRequested{.to_stay = true}, 1s), "cancel 2");
  hear(owned(3), 1s);
  hear(DonorRetired{.generation = 2, .handoff_id = 3, .sessions = 4}, 1s);
  const Effects effects = service.step(Tick{}, at(1s));
  EXPECT_NE(find<Recovered>(effects), nullptr) << "they have gone on, and are drained";
  EXPECT_EQ(find<Crashed>(effects), nullptr);
}

TEST_F(ServiceRecoveryAmidTest, AStopMayFindItBetweenTwoAttempts) {
  start();
  hear(died(1), 1s);
  EXPECT_EQ(hear(Exited{3, {.number = 1}}, 1s), "end start of 2");
  const Effects effects = service.step(StopRequested{}, at(1s));
  EXPECT_NE(find<Crashed>(effects), nullptr);
  EXPECT_EQ(hear(Exited{2, {}}, 1s), "stopped");
}

// Of the upgrade in which they were lost the report counts them.
TEST_F(ServiceRecoveryAmidTest, AStopMayComeBeforeTheUpgradeIsOver) {
  start();
  hear(Counted{1, 7}, 500ms);
  hear(HandoffRequested{}, 1s);
  hear(CandidateReady{}, 1s);
  EXPECT_EQ(hear(died(1), 1s), "kill 2");
  EXPECT_STREQ(service.state_name(), "recovering");
  hear(StopRequested{}, 1s);
  const Effects effects = service.step(Exited{2, {.signalled = true, .number = 9}}, at(1s));
  ASSERT_NE(find<Conclude>(effects), nullptr);
  EXPECT_EQ(find<Conclude>(effects)->report.result, Report::Result::kLost);
  EXPECT_EQ(find<Conclude>(effects)->report.lost, 7U);
  EXPECT_EQ(find<Crashed>(effects), nullptr);
  EXPECT_TRUE(service.idle());
}

// ---- probation ------------------------------------------------------------------------------

TEST_F(ServiceRecoveryAmidTest, AReleaseOnProbationMayDieOnceAndThenGoesBack) {
  upgrade_to_switch();
  switched(1, 2, 1s);
  hear(Tick{}, 1s);
  hear(Exited{1, {}}, 1s);
  first_ = 2;
  hear(died(2), 2s);
  recover(2, 3, 4, 2s);
  EXPECT_TRUE(service.probation().provisional());
  first_ = 4;
  EXPECT_EQ(hear(died(4), 3s), "phase start, spawn 5 reads vault of 4, spawn 6 heir")
      << "only that release can read what it has written";
  goes_on(5, 6, 3s);
  switched(5, 6, 3s);
  EXPECT_EQ(hear(Tick{}, 3s),
            "recovered 4>6, not passed(it has died again: it was killed by SIGKILL), open back");
}

// ---- another supervisor ---------------------------------------------------------------------

TEST_F(ServiceRecoveryAmidTest, TheNextSupervisorFollowsOneThatIsUnderWay) {
  start();
  hear(died(1), 1s);
  goes_on(2, 3);
  const Found found = service.found();
  EXPECT_EQ(found.current, 2U);
  EXPECT_EQ(found.heir, 3U);
  service = Service({.name = "chat"});
  EXPECT_EQ(hear(found, 2s), "");
  EXPECT_STREQ(service.state_name(), "recovering");
  hear(Registered{3, true, 3}, 2s);
  hear(Registered{2, true, 3}, 2s);
  hear(owned(3), 2s);
  EXPECT_EQ(hear(DonorRetired{.generation = 2, .handoff_id = 3, .sessions = 4}, 2s),
            "phase retire, drop vault of 1");
  EXPECT_EQ(hear(Tick{}, 2s), "recovered 1>3");
  EXPECT_EQ(service.recoveries(), 1U);
}

TEST_F(ServiceRecoveryAmidTest, OrBeginsItAnewIfBothHaveDied) {
  start();
  hear(died(1), 1s);
  goes_on(2, 3);
  const Found found = service.found();
  service = Service({.name = "chat"});
  hear(found, 2s);
  hear(Exited{3, {.unseen = true}}, 2s);
  EXPECT_EQ(hear(Exited{2, {.unseen = true}}, 2s),
            "phase start, spawn 4 reads vault of 1, spawn 5 heir");
  recover(1, 4, 5, 2s);
}

TEST_F(ServiceRecoveryAmidTest, OrIfItWasAboutToBegin) {
  Found found{.last = 5, .current = 0};
  found.recovery = Recovery{3, "was killed by SIGKILL", at(0s), 2, 1};
  found.vaults.sources = {3};
  EXPECT_EQ(hear(found, 1s), "phase start, spawn 6 reads vault of 3, spawn 7 heir");
  first_ = 3;
  recover(3, 6, 7);
}

TEST_F(ServiceRecoveryAmidTest, OrIfItsReaderWasBeingEnded) {
  Found found{.last = 5, .current = 4};
  found.recovery = Recovery{3, "was killed by SIGKILL", at(0s), 2, 1};
  found.vaults.sources = {3};
  EXPECT_EQ(hear(found, 1s), "end start of 4");
  EXPECT_EQ(hear(Exited{4, {.unseen = true}}, 1s),
            "phase start, spawn 6 reads vault of 3, spawn 7 heir");
}

TEST_F(ServiceRecoveryAmidTest, AProcessThatDiedWithItsSupervisorIsGoneOnFrom) {
  EXPECT_EQ(hear(Found{.last = 3, .current = 3}), "");
  EXPECT_EQ(hear(Exited{3, {.unseen = true}, VaultLeft{true}}, 1s),
            "phase start, spawn 4 reads vault of 3, spawn 5 heir");
  first_ = 3;
  recover(3, 4, 5);
}

}  // namespace
}  // namespace handoff::supervisor
