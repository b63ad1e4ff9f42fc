// A service that is started from nothing, and one that is to stay stopped.
#include "service_fixture.h"

namespace handoff::supervisor {
namespace {

using Origin = Probation::Origin;

class ColdStartTest : public ServiceTest {
 protected:
  static Found found(bool provisional, Rest rest = Rest::kNo) {
    Found out{.last = 4, .rest = rest};
    out.probation = {.provisional = provisional,
                     .until = provisional ? std::optional(at(20s)) : std::nullopt,
                     .has_back = provisional,
                     .back_proven = provisional};
    return out;
  }
  static StartRequested named() { return {.cold = true, .named = Wanted{.path = "/opt/chat"}}; }
};

TEST_F(ColdStartTest, AProvisionalReleaseThatDiedWithItsSupervisorIsNotStartedAgain) {
  hear(found(true));
  EXPECT_EQ(hear(StartRequested{}), "not passed(it is gone), take back");
  EXPECT_EQ(service.state(), State::kBackoff);
}

TEST_F(ColdStartTest, OneThatHadEndedBeforeItGoesOnWithItsProbation) {
  hear(found(true));
  EXPECT_EQ(hear(StartRequested{.cold = true}), "spawn 5");
  hear(Registered{5}, 1s);
  hear(Owned{.generation = 5}, 1s);
  EXPECT_TRUE(service.probation().provisional());
  answers(5, 1s);
  EXPECT_EQ(service.deadline(), at(20s));
}

TEST_F(ColdStartTest, WhatTheConfigurationNamesIsOpenedAndStartedIfItIsAsItWas) {
  hear(found(false));
  EXPECT_EQ(hear(named()), "open");
  EXPECT_FALSE(service.idle());
  EXPECT_EQ(hear(CandidateReady{Origin::kSame, true}), "drop, spawn 5");
  hear(Registered{5});
  EXPECT_EQ(hear(Owned{.generation = 5}), "") << "nobody is told of a start that is as always";
}

TEST_F(ColdStartTest, IfItIsNewItIsOnProbation) {
  hear(found(false));
  hear(named());
  EXPECT_EQ(hear(CandidateReady{Origin::kNew}), "phase start, spawn 5 candidate");
  hear(Registered{5}, 1s);
  EXPECT_EQ(hear(Owned{.generation = 5}, 1s), "take (keeps the one before), done");
  EXPECT_TRUE(service.probation().provisional());
  EXPECT_TRUE(service.probation().has_back());
}

TEST_F(ColdStartTest, IfItDoesNotComeUpWhatRanBeforeIsStarted) {
  hear(found(false));
  hear(named());
  hear(CandidateReady{Origin::kNew});
  EXPECT_EQ(hear(Exited{5, kStatus0}), "look for children of 5, drop, failed(exited)");
  EXPECT_EQ(service.state(), State::kBackoff);
  EXPECT_EQ(hear(Tick{}, 1s), "spawn 6") << "of the release that ran before";
}

// A start from nothing is no restart after a death.
TEST_F(ColdStartTest, SoItIsWhereNothingIsRestarted) {
  Service mortal{{.name = "chat", .restart = false}};
  (void)mortal.step(found(false), at(0s));
  (void)mortal.step(named(), at(0s));
  (void)mortal.step(CandidateReady{Origin::kNew}, at(0s));
  EXPECT_EQ(show(mortal.step(Exited{5, kStatus0}, at(0s))),
            "look for children of 5, drop, failed(exited)");
  EXPECT_STREQ(mortal.state_name(), "backoff");
  EXPECT_NE(mortal.problem(), "");
  EXPECT_EQ(mortal.found().rest, Rest::kNo) << "nobody has stopped it";
  EXPECT_EQ(show(mortal.step(Tick{}, at(1s))), "spawn 6");
  (void)mortal.step(Exited{6, kStatus0}, at(2s));
  EXPECT_STREQ(mortal.state_name(), "failed");
}

TEST_F(ColdStartTest, AndWhereSomebodyHasAskedForTheStart) {
  start();
  hear(StopRequested{.to_stay = true});
  hear(Exited{1, kStatus0});
  EXPECT_EQ(hear(HandoffRequested{.wanted = {.path = "/opt/chat"}, .cold = true}, 1s), "open");
  hear(CandidateReady{Origin::kNew}, 1s);
  EXPECT_EQ(hear(Exited{2, kStatus0}, 1s), "look for children of 2, drop, failed(exited)");
  EXPECT_EQ(hear(Tick{}, 2s), "spawn 3") << "of the release that ran before";
}

TEST_F(ColdStartTest, SoItIsIfItCanNotBeOpened) {
  hear(found(false));
  hear(named());
  EXPECT_EQ(hear(CandidateFailed{"open", "no such file"}), "spawn 5");
}

TEST_F(ColdStartTest, AStopMeanwhileIsAnswered) {
  hear(found(false));
  hear(named());
  EXPECT_EQ(hear(StopRequested{.to_stay = true}), "stopped");
  EXPECT_EQ(hear(CandidateReady{Origin::kNew}), "drop");
  EXPECT_EQ(service.found().rest, Rest::kStopped);
}

TEST_F(ColdStartTest, OneThatWasStoppedStaysStopped) {
  start();
  hear(StopRequested{.to_stay = true});
  hear(Exited{1, kStatus0});
  EXPECT_EQ(service.found().rest, Rest::kStopped);
  Service next{{.name = "chat"}};
  (void)next.step(service.found(), at(1s));
  EXPECT_EQ(show(next.step(StartRequested{}, at(1s))), "");
  EXPECT_EQ(show(next.step(named(), at(1s))), "");
  EXPECT_EQ(next.state(), State::kStopped);
  EXPECT_EQ(show(next.step(HandoffRequested{.to = Origin::kSame}, at(1s))), "phase start, spawn 2");
  EXPECT_EQ(next.found().rest, Rest::kNo);
}

TEST_F(ColdStartTest, AStopOfTheSupervisorIsNoStopOfTheService) {
  start();
  hear(StopRequested{});
  hear(Exited{1, kStatus0});
  EXPECT_EQ(service.found().rest, Rest::kNo);
}

TEST_F(ColdStartTest, OneThatWasBeingStoppedIsStoppedOn) {
  Found saved = found(false, Rest::kStopped);
  saved.current = 4;
  EXPECT_EQ(hear(saved), "term 4");
  EXPECT_EQ(service.state(), State::kStopping);
}

TEST_F(ColdStartTest, OneThatDiedAndIsNotRestartedIsDown) {
  Service mortal{{.name = "chat", .restart = false}};
  (void)mortal.step(StartRequested{}, at(0s));
  (void)mortal.step(Registered{1}, at(0s));
  (void)mortal.step(Owned{.generation = 1}, at(0s));
  (void)mortal.step(Exited{1, kStatus0}, at(1s));
  EXPECT_EQ(mortal.found().rest, Rest::kDown);
}

TEST_F(ColdStartTest, AFailedUpgradeOfAStoppedServiceLeavesItStopped) {
  start();
  hear(StopRequested{.to_stay = true});
  hear(Exited{1, kStatus0});
  hear(HandoffRequested{}, 1s);
  hear(CandidateReady{}, 1s);
  EXPECT_EQ(hear(Exited{2, kStatus0}, 1s), "look for children of 2, drop, failed(exited)");
  EXPECT_EQ(service.found().rest, Rest::kStopped);
}

TEST_F(ColdStartTest, WhatIsSoAlreadyIsNotDoneAgain) {
  start();
  hear(HandoffRequested{.unless_so = true}, 1s);
  EXPECT_EQ(hear(CandidateReady{Origin::kSame, true}, 1s), "drop, unchanged");
  EXPECT_TRUE(service.settled());
  hear(HandoffRequested{.unless_so = true}, 1s);
  EXPECT_EQ(hear(CandidateReady{Origin::kSame, false}, 1s), "phase start, spawn 2 candidate heir")
      << "by another path";
}

}  // namespace
}  // namespace handoff::supervisor
