// A service that runs, is upgraded, dies and comes back.
#include "service_fixture.h"

namespace handoff::supervisor {
namespace {

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
  EXPECT_EQ(switched(1, 2, 2s), "phase retire, take (keeps the one before)");
  EXPECT_EQ(service.current(), 2U);
  EXPECT_STREQ(service.state_name(), "upgrading");
  EXPECT_EQ(hear(Exited{1, kStatus0}, 3s), "done");
  EXPECT_STREQ(service.state_name(), "running");
  answers(2, 3s);
  EXPECT_EQ(service.deadline(), at(32s)) << "the end of its probation";
  EXPECT_EQ(hear(Tick{}, 32s), "passed");
  EXPECT_EQ(service.deadline(), std::nullopt);
}

TEST_F(ServiceTest, AnUpgradeIsOverWhileItsDonorLeavesAndTheNextOneMayBegin) {
  upgrade_to_switch();
  EXPECT_EQ(switched(1, 2, 2s), "phase retire, take (keeps the one before)");
  EXPECT_EQ(hear(Tick{}, 2s), "done");
  EXPECT_STREQ(service.state_name(), "running");
  EXPECT_EQ(hear(HandoffRequested{}, 2s), "open");
  EXPECT_EQ(hear(CandidateReady{}, 2s), "phase start, spawn 3 candidate heir");
  EXPECT_EQ(hear(Exited{1, kStatus0}, 3s), "");
  EXPECT_TRUE(service.late().all().empty());
  hear(Registered{3}, 3s);
  switched(2, 3, 3s);
  EXPECT_EQ(service.current(), 3U);
}

TEST_F(ServiceTest, ADonorThatDoesNotLeaveIsEndedAlsoAfterTheUpgrade) {
  upgrade_to_switch();
  switched(1, 2, 2s);
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
  switched(1, 2, 2s);
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

// ---- the old release dies while the new one is being opened

TEST_F(ServiceTest, TheNewReleaseIsStartedAndWhatTheOldOneHadIsLost) {
  start();
  hear(HandoffRequested{}, 1s);
  hear(Counted{1, 20}, 1s);
  hear(Exited{1, kSegv}, 1s);
  hear(CandidateReady{}, 1010ms);
  hear(Registered{2}, 1020ms);
  const Effects effects = service.step(Owned{.generation = 2}, at(1030ms));
  ASSERT_EQ(show(effects), "take (keeps the one before), lost(peer_died)");
  const Report& report = std::get<Conclude>(effects[1]).report;
  EXPECT_EQ(report.from, 1U);
  EXPECT_EQ(report.to, 2U);
  EXPECT_EQ(report.lost, 20U);
  EXPECT_EQ(report.failed, Report::Failed::kOld);
  EXPECT_EQ(report.message,
            "the old release was killed by SIGSEGV while the new one was being opened");
}

TEST_F(ServiceTest, ThatIsToldAlsoIfTheOldReleaseWasStartedAgainMeanwhile) {
  start();
  hear(HandoffRequested{}, 1s);
  hear(Counted{1, 20}, 1s);
  hear(Exited{1, kSegv}, 1s);
  hear(Tick{}, 2s);
  hear(Registered{2}, 2s);
  hear(Owned{.generation = 2}, 2s);
  ASSERT_EQ(hear(CandidateReady{}, 3s), "phase start, spawn 3 candidate heir");
  hear(Registered{3}, 3s);
  switched(2, 3, 3s);
  const Effects effects = service.step(Exited{2, kStatus0}, at(3s));
  const Report& report = std::get<Conclude>(effects.at(0)).report;
  EXPECT_EQ(report.result, Report::Result::kLost);
  EXPECT_EQ(report.moved, 4U);
  EXPECT_EQ(report.lost, 20U);
}

TEST_F(ServiceTest, WhatWasCountedDuringTheOpeningIsLostWithADonorThatDiesRightAfterIt) {
  start();
  hear(HandoffRequested{}, 1s);
  hear(Counted{1, 20}, 1s);
  hear(CandidateReady{}, 1s);
  hear(Exited{1, kSegv}, 1s);
  const Effects effects = service.step(Exited{2, kStatus0}, at(1s));
  const auto* conclude = std::get_if<Conclude>(&effects.back());
  ASSERT_NE(conclude, nullptr) << show(effects);
  EXPECT_EQ(conclude->report.lost, 20U);
}

TEST_F(ServiceTest, ThatIsNoRefusal) {
  start();
  hear(HandoffRequested{}, 1s);
  hear(Counted{1, 20}, 1s);
  hear(Exited{1, kSegv}, 1s);
  hear(Tick{}, 2s);
  const Effects effects = service.step(CandidateReady{}, at(2s));
  ASSERT_EQ(show(effects), "drop, lost(busy)");
  const Report& report = std::get<Conclude>(effects[1]).report;
  EXPECT_EQ(report.lost, 20U);
  EXPECT_TRUE(report.message.starts_with(
      "the old release was killed by SIGSEGV while the new one was being opened; "));
}

TEST_F(ServiceTest, ThatIsNoFailureThatChangedNothing) {
  start();
  hear(HandoffRequested{}, 1s);
  hear(Exited{1, kSegv}, 1s);
  EXPECT_EQ(hear(CandidateFailed{"open", "no such file"}, 2s), "lost(open)");
}

TEST_F(ServiceTest, ThatCountsFromTheMomentItWasAskedFor) {
  start();
  hear(Counted{1, 20}, 1s);
  hear(Exited{1, kSegv}, 1s);
  ASSERT_EQ(hear(HandoffRequested{.donor = 1}, 1s), "open") << "it took a while to record";
  hear(CandidateReady{}, 1s);
  hear(Registered{2}, 1s);
  EXPECT_EQ(hear(Owned{.generation = 2}, 1s), "take (keeps the one before), lost(peer_died)");
}

// ---- late sessions

TEST_F(ServiceTest, LateSessionsGoWhereverTheOwnerIs) {
  upgrade_to_switch();
  hear(owned(2), 2s);
  EXPECT_EQ(hear(DonorLate{.generation = 1, .handoff_id = 2, .waiting = 3, .linked = true}, 2s),
            "drain 1, phase retire, take (keeps the one before), done");
  EXPECT_STREQ(service.state_name(), "running");
  // The owner dies: the next one gets a link to the late one.
  hear(Exited{2, kSegv}, 3s);
  EXPECT_EQ(hear(DonorLate{.generation = 1, .handoff_id = 2, .waiting = 3}, 3s), "");
  EXPECT_EQ(hear(Tick{}, 4s), "spawn 3");
  hear(Registered{3}, 4s);
  EXPECT_EQ(hear(Owned{.generation = 3}, 4s), "went back 2>3 lost 4, relink 1>3");
  EXPECT_EQ(hear(StopRequested{}, 5s), "stop 1, stop 3");
}

// ---- a policy that is read again

TEST_F(ServiceTest, ANewLimitOfGenerationsHoldsAtOnce) {
  service.set_policy({.name = "chat", .late = {.max_generations = 2}});
  upgrade_to_switch();
  hear(owned(2), 2s);
  hear(DonorLate{.generation = 1, .handoff_id = 2, .waiting = 3, .linked = true}, 2s);
  EXPECT_EQ(hear(HandoffRequested{}, 3s), "refuse(generations)");
  service.set_policy({.name = "chat", .late = {.max_generations = 3}});
  EXPECT_EQ(hear(HandoffRequested{}, 3s), "open");
}

TEST_F(ServiceTest, WhatBecomesOfLateSessionsIsUpToThePolicyOfTheirSwitch) {
  upgrade_to_switch();
  service.set_policy(
      {.name = "chat", .late = {.policy = LateSessions::kClose, .drain = std::chrono::minutes(5)}});
  hear(owned(2), 2s);
  const Effects effects = service.step(
      DonorLate{.generation = 1, .handoff_id = 2, .waiting = 3, .linked = true}, at(2s));
  ASSERT_EQ(show(effects), "drain 1, phase retire, take (keeps the one before), done");
  const auto& drain = std::get<SendDrain>(effects[0]);
  EXPECT_EQ(drain.policy, LateSessions::kClose);
  EXPECT_EQ(drain.deadline, at(5min + 2s));
}

TEST_F(ServiceTest, AProgressiveUpgradeIsGivenBackWhenAnotherHandoffBeginsBeforeItsEnd) {
  start();
  hear(HandoffRequested{.shares = {10, 100, 1000}, .pause = 30s}, 1s);
  hear(CandidateReady{}, 1s);
  hear(Registered{2}, 1s);
  hear(owned(2), 2s);
  EXPECT_EQ(hear(DonorLate{.generation = 1, .handoff_id = 2, .waiting = 300, .linked = true}, 2s),
            "phase retire, take (keeps the one before), done");
  EXPECT_EQ(service.deadline(), at(32s));
  EXPECT_EQ(hear(Tick{}, 32s), "spread 1 100, spread 2 100");
  EXPECT_EQ(hear(HandoffRequested{.to = Probation::Origin::kSame}, 40s),
            "spread 1 0, spread 2 0, phase start, spawn 3 heir");
  hear(Registered{3}, 40s);
  EXPECT_EQ(switched(2, 3, 41s), "phase retire, spread 1 1000, drain 1");
  answers(3, 41s);
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
  answers(2, 33s);
  EXPECT_EQ(service.deadline(), at(62s)) << "the end of its probation, begun anew";
  EXPECT_EQ(hear(Tick{}, 62s), "passed");
  EXPECT_EQ(service.deadline(), std::nullopt);
}

TEST_F(ServiceTest, RestartIsAHandoffToTheSameRelease) {
  start();
  EXPECT_EQ(hear(HandoffRequested{.to = Probation::Origin::kSame}), "phase start, spawn 2 heir");
  hear(Registered{2});
  EXPECT_EQ(switched(1, 2), "phase retire");
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

TEST_F(ServiceTest, ACandidateForAServiceThatDiedMeanwhileIsNotTaken) {
  start();
  hear(HandoffRequested{}, 1s);
  hear(Exited{1, kSegv}, 1s);
  hear(Tick{}, 1100ms);
  EXPECT_EQ(hear(CandidateReady{}, 1101ms), "drop, lost(busy)");
}

TEST_F(ServiceTest, WhatIsSaidOfARequestNamesIt) {
  const auto last = [](const Effects& effects) { return effects.back(); };
  start();
  const auto open =
      last(service.step(HandoffRequested{.wanted = {.path = "/chat"}, .id = 7}, at(1s)));
  EXPECT_EQ(std::get<OpenCandidate>(open).request.id, 7U);
  EXPECT_EQ(std::get<OpenCandidate>(open).request.wanted.path, "/chat");
  const auto busy = last(service.step(HandoffRequested{.rehearsal = true, .id = 8}, at(1s)));
  EXPECT_EQ(std::get<Refuse>(busy).request, 8U);
  EXPECT_TRUE(std::get<Refuse>(busy).rehearsal);
  EXPECT_EQ(std::get<Refuse>(last(service.step(CommitRequested{9}, at(1s)))).request, 9U);
  const auto begun = service.step(CandidateReady{}, at(1s));
  EXPECT_EQ(std::get<Announce>(begun.front()).request, 7U);
  hear(HandoffFailed{1, 2, "timeout", "budget"}, 2s);
  EXPECT_EQ(std::get<Conclude>(last(service.step(Exited{2, kStatus0}, at(2s)))).request, 7U);
  hear(HandoffRequested{.id = 10}, 3s);
  const auto unopened = last(service.step(CandidateFailed{"open", "no such file"}, at(3s)));
  EXPECT_EQ(std::get<Refuse>(unopened).request, 10U);
}

// ---- dying and coming back

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
  switched(1, 2, 2s);
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

}  // namespace
}  // namespace handoff::supervisor
