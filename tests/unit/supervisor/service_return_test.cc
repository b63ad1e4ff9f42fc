// A service that goes back to the release before, by itself or at an operator's request.
#include <gtest/gtest.h>

#include "exits.h"
#include "show.h"
#include "supervisor/core/service.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;
using State = Service::State;

constexpr Probation::Policy kChecked{.checked = true, .polled = true, .failures = 2};
const HandoffRequested kRollback{.to = Probation::Origin::kBack, .timeouts = {}};

class ServiceReturnTest : public testing::Test {
 protected:
  std::string hear(const Event& event, std::chrono::milliseconds when = 0ms) {
    return show(service.step(event, at(when)));
  }
  static Owned owned(Generation generation) {
    return {.generation = generation, .handoff_id = generation, .sessions = 4};
  }
  // Generation heir takes over from donor, by the word of both. What follows from it.
  std::string switched(Generation donor, Generation heir, std::chrono::milliseconds when = 0ms) {
    EXPECT_EQ(hear(owned(heir), when), "") << "an heir's word alone";
    return hear(DonorRetired{.generation = donor, .handoff_id = heir, .sessions = 4}, when);
  }
  // The process on trial is asked for its sessions, and answers.
  void answers(Generation generation, std::chrono::milliseconds when) {
    hear(Asked{generation}, when);
    hear(Counted{generation, 4}, when);
  }
  static HealthHeard ill(Generation generation) { return {generation, false, "ill"}; }

  void start() {
    hear(StartRequested{});
    hear(Registered{1});
    hear(Owned{.generation = 1});
    ASSERT_EQ(service.state(), State::kRunning);
  }
  // Generation 2 of a new release runs, at 1 s.
  void upgrade() {
    start();
    hear(HandoffRequested{}, 1s);
    hear(CandidateReady{}, 1s);
    hear(Registered{2}, 1s);
    ASSERT_EQ(switched(1, 2, 1s), "phase retire, take (keeps the one before)");
    ASSERT_EQ(hear(Exited{1, kStatus0}, 1s), "done");
  }
  // The check fails twice, and the release before is generation 3.
  void fail() {
    upgrade();
    ASSERT_EQ(hear(ill(2), 2s), "");
    ASSERT_EQ(hear(ill(2), 3s), "not passed(ill), open back");
    ASSERT_EQ(hear(CandidateReady{Probation::Origin::kBack}, 3s),
              "phase start, spawn 3 candidate heir");
    ASSERT_EQ(hear(Registered{3}, 3s), "donate 2>3, phase copy");
  }

  Service service{{.name = "chat", .probation = kChecked}};
};

TEST_F(ServiceReturnTest, GoesBackByAHandoffIfTheCheckFails) {
  fail();
  EXPECT_EQ(switched(2, 3, 4s), "phase retire, take (keeps none)");
  EXPECT_EQ(hear(Exited{2, kStatus0}, 4s), "done");
  EXPECT_FALSE(service.probation().provisional());
  EXPECT_EQ(service.deadline(), std::nullopt);
  EXPECT_EQ(hear(kRollback, 5s), "refuse(no_release)") << "not forward to what has failed";
}

TEST_F(ServiceReturnTest, NobodyElseUpgradesMeanwhile) {
  fail();
  EXPECT_EQ(hear(HandoffRequested{}, 3s), "refuse(busy)");
  EXPECT_EQ(hear(CommitRequested{}, 3s), "refuse(busy)");
}

TEST_F(ServiceReturnTest, AReleaseThatCantHandOverIsStoppedAndTheOneBeforeStarted) {
  fail();
  hear(Counted{2, 7}, 3s);
  hear(HandoffFailed{2, 3, "version", "no way down"}, 4s);
  EXPECT_EQ(hear(Exited{3, kStatus0}, 4s), "drop, failed(version), stop 2");
  EXPECT_EQ(hear(HandoffRequested{}, 4s), "refuse(busy)");
  EXPECT_EQ(hear(Exited{2, kStatus0}, 5s), "take back, spawn 4");
  hear(Registered{4}, 5s);
  EXPECT_EQ(hear(Owned{.generation = 4}, 6s), "went back 2>4 lost 7");
  EXPECT_FALSE(service.probation().provisional());
  EXPECT_EQ(service.deadline(), std::nullopt);
}

// Seen: the release before was never started, and the service was busy for good.
TEST_F(ServiceReturnTest, OneThatLeavesWhileItIsReplacedIsReplaced) {
  fail();
  hear(Counted{2, 7}, 3s);
  hear(Leaves{2, "all is done"}, 3s);
  hear(HandoffFailed{2, 3, "version", "no way down"}, 4s);
  EXPECT_EQ(hear(Exited{3, kStatus0}, 4s), "drop, failed(version), stop 2");
  EXPECT_EQ(hear(Exited{2, kStatus0}, 5s), "take back, spawn 4");
  hear(Registered{4}, 5s);
  EXPECT_EQ(hear(Owned{.generation = 4}, 6s), "went back 2>4 lost 7");
  EXPECT_EQ(service.problem(), "");
  EXPECT_EQ(hear(HandoffRequested{}, 7s), "open") << "no operation is left over";
}

TEST_F(ServiceReturnTest, OneThatDoesNotEndInTheDrainIsKilled) {
  fail();
  hear(HandoffFailed{2, 3, "version", "no way down"}, 4s);
  hear(Exited{3, kStatus0}, 4s);
  EXPECT_EQ(service.deadline(), at(34s));
  EXPECT_EQ(hear(Tick{}, 34s), "kill 2");
  EXPECT_EQ(hear(Exited{2, kStatus0}, 34s), "take back, spawn 4");
}

TEST_F(ServiceReturnTest, OneThatHangsIsKilledAtOnce) {
  fail();
  hear(HandoffFailed{2, 3, "timeout", "hangs"}, 4s);
  EXPECT_EQ(hear(Exited{3, kStatus0}, 4s), "drop, failed(timeout), kill 2");
  EXPECT_EQ(hear(Exited{2, kStatus0}, 4s), "take back, spawn 4");
}

TEST_F(ServiceReturnTest, HasLittlePatienceWithWhatIsNotWell) {
  upgrade();
  hear(ill(2), 2s);
  hear(ill(2), 2s);
  for (const Effect& effect : service.step(CandidateReady{Probation::Origin::kBack}, at(2s))) {
    if (const auto* spawn = std::get_if<Spawn>(&effect)) {
      EXPECT_EQ(spawn->timeouts.stall, Service::kPatienceWithTheIll);
      return;
    }
  }
  FAIL() << "nothing was started";
}

TEST_F(ServiceReturnTest, ACrashOnProbationStartsTheReleaseBefore) {
  upgrade();
  hear(Counted{2, 9}, 2s);
  EXPECT_EQ(hear(Exited{2, kSegv}, 3s), "not passed(it was killed by SIGSEGV), take back");
  EXPECT_EQ(service.state(), State::kBackoff);
  EXPECT_EQ(hear(Tick{}, 3100ms), "spawn 3");
  hear(Registered{3}, 4s);
  EXPECT_EQ(hear(Owned{.generation = 3}, 4s), "went back 2>3 lost 9");
  EXPECT_EQ(hear(Exited{3, kSegv}, 5s), "") << "the permanent one is started again as always";
  EXPECT_EQ(service.state(), State::kBackoff);
}

TEST_F(ServiceReturnTest, ACrashAfterProbationIsACrash) {
  upgrade();
  hear(HealthHeard{2, true, ""}, 2s);
  answers(2, 2s);
  EXPECT_EQ(hear(Tick{}, 31s), "passed");
  EXPECT_EQ(hear(Exited{2, kSegv}, 32s), "");
  EXPECT_EQ(service.state(), State::kBackoff);
}

TEST_F(ServiceReturnTest, ACrashOfBothInAnUpgradeDuringProbationStartsThePermanentRelease) {
  upgrade();
  hear(HandoffRequested{}, 2s);
  hear(CandidateReady{}, 2s);
  hear(Registered{3}, 2s);
  hear(Exited{2, kSegv}, 3s);
  EXPECT_NE(hear(Exited{3, kSegv}, 3s).find("take back"), std::string::npos);
}

TEST_F(ServiceReturnTest, WhatAnHeirSaysOfItselfBeforeItIsBelievedCounts) {
  start();
  hear(HandoffRequested{}, 1s);
  hear(CandidateReady{}, 1s);
  hear(Registered{2}, 1s);
  hear(owned(2), 1s);
  hear(HealthHeard{2, true, ""}, 1s);
  hear(DonorRetired{.generation = 1, .handoff_id = 2, .sessions = 4}, 1s);
  hear(Exited{1, kStatus0}, 1s);
  answers(2, 2s);
  EXPECT_EQ(hear(Tick{}, 31s), "passed");
}

TEST_F(ServiceReturnTest, AnUpgradeUnderWayIsWaitedFor) {
  upgrade();
  hear(HandoffRequested{}, 2s);
  hear(CandidateReady{}, 2s);
  hear(ill(2), 2s);
  EXPECT_EQ(hear(ill(2), 3s), "") << "the next release may be the cure";
  hear(Registered{3}, 3s);
  EXPECT_EQ(switched(2, 3, 4s), "phase retire, take");
  EXPECT_EQ(hear(Exited{2, kStatus0}, 4s), "done") << "a new release, a new probation";
  EXPECT_TRUE(service.probation().provisional());
}

TEST_F(ServiceReturnTest, AFailedUpgradeUnderWayLeavesTheVerdictToBeDone) {
  upgrade();
  hear(HandoffRequested{}, 2s);
  hear(CandidateReady{}, 2s);
  hear(ill(2), 2s);
  hear(ill(2), 3s);
  EXPECT_EQ(hear(Exited{3, kSegv}, 3s), "drop, failed(exited), not passed(ill), open back");
}

TEST_F(ServiceReturnTest, AShareThatIsNotWellGivesBackWhatItHas) {
  start();
  hear(HandoffRequested{.shares = {10, 1000}, .pause = 1h}, 1s);
  hear(CandidateReady{}, 1s);
  hear(Registered{2}, 1s);
  hear(owned(2), 1s);
  hear(DonorLate{.generation = 1, .handoff_id = 2, .waiting = 300, .linked = true}, 1s);
  EXPECT_EQ(hear(Tick{}, 2min), "") << "provisional for as long as the rest is to come";
  hear(ill(2), 3min);
  EXPECT_EQ(hear(ill(2), 3min), "not passed(ill), open back");
  EXPECT_EQ(hear(CandidateReady{Probation::Origin::kBack}, 3min),
            "spread 1 0, spread 2 0, phase start, spawn 3 candidate heir");
}

TEST_F(ServiceReturnTest, TheLastShareBeginsTheProbationAnew) {
  start();
  hear(HandoffRequested{.shares = {10, 1000}, .pause = 1min}, 1s);
  hear(CandidateReady{}, 1s);
  hear(Registered{2}, 1s);
  hear(owned(2), 1s);
  hear(DonorLate{.generation = 1, .handoff_id = 2, .waiting = 300, .linked = true}, 1s);
  hear(HealthHeard{2, true, ""}, 2s);
  answers(2, 2s);
  EXPECT_EQ(hear(Tick{}, 61s), "spread 1 1000, spread 2 1000, drain 1");
  EXPECT_EQ(service.probation().until(kChecked), at(91s));
}

TEST_F(ServiceReturnTest, ThatProbationIsOfItsOwnUpgradeAndNotOfAPlanMadeSince) {
  start();
  hear(HandoffRequested{.timeouts = {.probation = 5min}, .shares = {10, 1000}, .pause = 1min}, 1s);
  hear(CandidateReady{}, 1s);
  hear(Registered{2}, 1s);
  hear(owned(2), 1s);
  hear(DonorLate{.generation = 1, .handoff_id = 2, .waiting = 300, .linked = true}, 1s);
  hear(HealthHeard{2, true, ""}, 2s);
  answers(2, 2s);
  hear(HandoffRequested{.rehearsal = true, .timeouts = {.probation = 1s}}, 3s);
  EXPECT_EQ(hear(CandidateFailed{"open", "no such file"}, 3s), "refuse(open)");
  EXPECT_EQ(hear(Tick{}, 61s), "spread 1 1000, spread 2 1000, drain 1");
  EXPECT_EQ(service.probation().until(kChecked), at(61s + 5min));
}

TEST_F(ServiceReturnTest, RollbackIsAHandoffAndARollbackOfItIsOneToo) {
  upgrade();
  EXPECT_EQ(hear(kRollback, 2s), "open back");
  EXPECT_EQ(hear(CandidateReady{Probation::Origin::kBack}, 2s),
            "phase start, spawn 3 candidate heir");
  hear(Registered{3}, 2s);
  EXPECT_EQ(switched(2, 3, 2s), "phase retire, take (keeps the one before)");
  EXPECT_EQ(hear(Exited{2, kStatus0}, 2s), "done");
  EXPECT_FALSE(service.probation().provisional());
  EXPECT_EQ(hear(kRollback, 3s), "open back");
}

TEST_F(ServiceReturnTest, RollbackThatFailsLeavesEverythingAsItWas) {
  upgrade();
  hear(kRollback, 2s);
  hear(CandidateReady{Probation::Origin::kBack}, 2s);
  EXPECT_EQ(hear(Exited{3, kSegv}, 2s), "drop, failed(exited)");
  EXPECT_EQ(service.current(), 2U);
  EXPECT_TRUE(service.probation().provisional());
}

TEST_F(ServiceReturnTest, CommitMakesItPermanentAndSaysSoTwice) {
  upgrade();
  EXPECT_EQ(hear(CommitRequested{}, 2s), "committed");
  EXPECT_EQ(hear(CommitRequested{}, 2s), "committed already");
  EXPECT_EQ(hear(ill(2), 2s) + hear(ill(2), 2s) + hear(ill(2), 2s), "");
  EXPECT_EQ(service.deadline(), std::nullopt);
}

TEST_F(ServiceReturnTest, NothingToGoBackToIsSaid) {
  start();
  EXPECT_EQ(hear(kRollback), "refuse(no_release)");
}

TEST_F(ServiceReturnTest, WhatCantBeOpenedAnyMoreIsNoWayBack) {
  upgrade();
  hear(ill(2), 2s);
  hear(ill(2), 2s);
  EXPECT_EQ(hear(CandidateFailed{"no_release", "gone"}, 2s), "refuse(no_release)");
  EXPECT_FALSE(service.probation().provisional());
  EXPECT_EQ(hear(ill(2), 2s), "");
}

TEST_F(ServiceReturnTest, StopWhileGoingBackStops) {
  fail();
  hear(HandoffFailed{2, 3, "version", "no way down"}, 4s);
  hear(Exited{3, kStatus0}, 4s);
  EXPECT_EQ(hear(StopRequested{}, 5s), "stop 2");
  EXPECT_EQ(hear(Exited{2, kStatus0}, 5s), "stopped");
}

TEST_F(ServiceReturnTest, TheNextSupervisorGoesOnWithTheProbation) {
  Found found{.last = 2, .current = 2};
  found.probation = {.provisional = true, .until = at(10s), .has_back = true, .back_proven = true};
  hear(found);
  hear(Registered{2, true});
  hear(Owned{.generation = 2}, 1s);
  EXPECT_EQ(service.on_trial(), 2U);
  hear(ill(2), 2s);
  EXPECT_EQ(hear(ill(2), 3s), "not passed(ill), open back");
  EXPECT_EQ(service.found().probation, found.probation);
}

TEST_F(ServiceReturnTest, WhoseReleaseToGoBackToCanNotBeOpenedAnyMoreIsOnProbationNoLonger) {
  Found found{.last = 2, .current = 2};
  found.probation = {.provisional = true, .until = at(10s), .has_back = true, .back_proven = true};
  hear(found);
  hear(Registered{2, true});
  hear(Owned{.generation = 2}, 1s);
  EXPECT_EQ(hear(Reopened{.back_lost = false}, 2s), "");
  EXPECT_TRUE(service.probation().provisional());
  EXPECT_EQ(hear(Reopened{.back_lost = true}, 3s), "");
  EXPECT_FALSE(service.probation().provisional());
  EXPECT_EQ(hear(ill(2), 4s), "");
  EXPECT_EQ(hear(kRollback, 5s), "refuse(no_release)");
}

TEST_F(ServiceReturnTest, AProvisionalReleaseThatDiedWithItsSupervisorIsNotStartedAgain) {
  Found found{.last = 2, .current = 0};
  found.probation = {.provisional = true, .until = at(10s), .has_back = true, .back_proven = true};
  hear(found);
  EXPECT_EQ(hear(StartRequested{}), "not passed(it is gone), take back");
  EXPECT_EQ(hear(Tick{}, 100ms), "spawn 3");
}

}  // namespace
}  // namespace handoff::supervisor
