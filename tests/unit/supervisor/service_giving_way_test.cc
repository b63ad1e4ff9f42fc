// A process that is starting has no sessions, and may hang: what is asked for does not wait for it.
#include "service_fixture.h"

namespace handoff::supervisor {
namespace {

using Origin = Probation::Origin;

class GivingWayTest : public ServiceTest {
 protected:
  // Generation 1 hangs.
  void hang(bool restart = true) {
    service = Service({.name = "chat", .restart = restart});
    ASSERT_EQ(hear(StartRequested{}), "spawn 1");
  }
  static constexpr const char* kTold = "end start of 1";
};

TEST_F(GivingWayTest, AnUpgradeEndsItOnceItsReleaseIsOpen) {
  hang();
  EXPECT_EQ(hear(HandoffRequested{}, 1s), "open");
  EXPECT_STREQ(service.state_name(), "starting");
  EXPECT_EQ(hear(CandidateReady{}, 1s), kTold);
  EXPECT_FALSE(service.settled());
  EXPECT_FALSE(service.awaits(1)) << "its program may still be being opened";
  EXPECT_EQ(hear(Exited{1, kKilled}, 1s), "phase start, spawn 2 candidate");
  hear(Registered{2}, 1s);
  EXPECT_EQ(hear(Owned{.generation = 2}, 1s), "take (keeps the one before), done");
  EXPECT_STREQ(service.state_name(), "running");
}

TEST_F(GivingWayTest, ARestartStartsTheSameAnew) {
  hang();
  EXPECT_EQ(hear(HandoffRequested{.to = Origin::kSame}, 1s), kTold);
  EXPECT_EQ(hear(SpawnFailed{1, "it is not wanted any more"}, 1s), "phase start, spawn 2");
  hear(Registered{2}, 1s);
  EXPECT_EQ(hear(Owned{.generation = 2}, 1s), "done");
}

TEST_F(GivingWayTest, OneThatComesUpMeanwhileHandsOver) {
  hang();
  hear(HandoffRequested{}, 1s);
  hear(Registered{1}, 1s);
  EXPECT_EQ(hear(Owned{.generation = 1}, 1s), "");
  EXPECT_EQ(hear(CandidateReady{}, 1s), "phase start, spawn 2 candidate heir");
}

TEST_F(GivingWayTest, WhatItSaysOnceItIsBeingEndedIsTooLate) {
  hang();
  hear(HandoffRequested{.to = Origin::kSame}, 1s);
  hear(Registered{1}, 1s);
  EXPECT_EQ(hear(Owned{.generation = 1}, 1s), "");
  EXPECT_STREQ(service.state_name(), "starting");
  EXPECT_EQ(hear(Exited{1, kKilled}, 1s), "phase start, spawn 2");
}

TEST_F(GivingWayTest, ItStartsOnIfTheNewReleaseCantBeOpened) {
  hang();
  hear(HandoffRequested{}, 1s);
  EXPECT_EQ(hear(CandidateFailed{"open", "gone"}, 1s), "refuse(open)");
  EXPECT_TRUE(service.awaits(1));
  hear(Registered{1}, 1s);
  EXPECT_EQ(hear(Owned{.generation = 1}, 1s), "");
  EXPECT_STREQ(service.state_name(), "running");
}

TEST_F(GivingWayTest, WhatIsStartingIsStartedAgainSoonIfTheNewOneDoesNotComeUp) {
  for (const bool restart : {true, false}) {
    hang(restart);
    hear(HandoffRequested{}, 1s);
    hear(CandidateReady{}, 1s);
    hear(Exited{1, kKilled}, 1s);
    EXPECT_EQ(hear(Exited{2, kStatus3}, 1s), "drop, failed(exited)");
    EXPECT_STREQ(service.state_name(), "backoff");
    EXPECT_EQ(hear(Tick{}, 2s), "spawn 3");
  }
}

TEST_F(GivingWayTest, AStopCountsMore) {
  hang();
  hear(HandoffRequested{}, 1s);
  hear(CandidateReady{}, 1s);
  EXPECT_EQ(hear(StopRequested{.to_stay = true}, 1s), "drop, refuse(cancelled), term 1");
  EXPECT_EQ(hear(Exited{1, kKilled}, 1s), "stopped");
  EXPECT_TRUE(service.idle());
}

TEST_F(GivingWayTest, OneAtATime) {
  hang();
  hear(HandoffRequested{}, 1s);
  EXPECT_EQ(hear(HandoffRequested{}, 1s), "refuse(busy)");
  hear(CandidateReady{}, 1s);
  EXPECT_EQ(hear(HandoffRequested{.to = Origin::kSame}, 1s), "refuse(busy)");
  EXPECT_EQ(hear(CommitRequested{}, 1s), "refuse(busy)");
}

TEST_F(GivingWayTest, APlanHasNobodyToTakeOverFrom) {
  hang();
  EXPECT_EQ(hear(HandoffRequested{.rehearsal = true}, 1s), "refuse(busy)");
}

// A process that is not ready yet may only be slow.
TEST_F(GivingWayTest, WhatTheConfigurationNamesIsNotEndedForItself) {
  hang();
  EXPECT_EQ(hear(HandoffRequested{.unless_so = true}, 1s), "open");
  EXPECT_EQ(hear(CandidateReady{Origin::kSame, true}, 1s), "drop, unchanged");
  EXPECT_TRUE(service.awaits(1));
}

}  // namespace
}  // namespace handoff::supervisor
