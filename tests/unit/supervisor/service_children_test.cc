// When what a generation has left is ended, and when it is left alone.
#include "service_fixture.h"

namespace handoff::supervisor {
namespace {

class ServiceChildrenTest : public ServiceTest {
 protected:
  void SetUp() override { set_policy(ChildrenPolicy::kEnd); }
  void set_policy(ChildrenPolicy children, bool restart = true) {
    service.set_policy({.name = "chat", .restart = restart, .children = children});
  }
  void run() {
    ASSERT_EQ(hear(StartRequested{}), "spawn 1 after children");
    ASSERT_EQ(hear(ChildrenEnded{1}), "");
    hear(Registered{1});
    hear(Owned{.generation = 1});
    ASSERT_EQ(service.state(), State::kRunning);
  }
};

TEST_F(ServiceChildrenTest, AStopIsOverWhenTheyHaveEnded) {
  run();
  EXPECT_EQ(hear(StopRequested{}, 1s), "stop 1");
  EXPECT_EQ(hear(Exited{1, kStatus0}, 2s), "end children");
  EXPECT_STREQ(service.state_name(), "stopping");
  EXPECT_FALSE(service.idle());
  EXPECT_EQ(service.deadline(), std::nullopt);
  EXPECT_EQ(hear(ChildrenEnded{}, 3s), "stopped");
  EXPECT_TRUE(service.idle());
}

TEST_F(ServiceChildrenTest, AStopAtOnceKillsThem) {
  run();
  EXPECT_EQ(hear(StopRequested{.at_once = true}, 1s), "kill 1, stop 1");
  EXPECT_EQ(hear(Exited{1, kKilled}, 2s), "end children at once");
  EXPECT_EQ(hear(ChildrenEnded{}, 3s), "stopped");
}

TEST_F(ServiceChildrenTest, ASecondStopHurriesThem) {
  run();
  hear(StopRequested{}, 1s);
  hear(Exited{1, kStatus0}, 2s);
  EXPECT_EQ(hear(StopRequested{}, 2s), "") << "the first is under way";
  EXPECT_EQ(hear(StopRequested{.at_once = true}, 2s), "end children at once");
  EXPECT_EQ(hear(ChildrenEnded{}, 3s), "stopped");
  EXPECT_EQ(hear(ChildrenEnded{}, 3s), "") << "that of the second";
}

TEST_F(ServiceChildrenTest, StoppingWhatHasFailedEndsThem) {
  set_policy(ChildrenPolicy::kEnd, false);
  run();
  EXPECT_EQ(hear(Exited{1, kSegv}, 1s), "") << "they may serve on";
  EXPECT_STREQ(service.state_name(), "failed");
  EXPECT_EQ(hear(StopRequested{}, 2s), "end children");
  EXPECT_EQ(hear(ChildrenEnded{}, 2s), "stopped");
}

TEST_F(ServiceChildrenTest, ACrashEndsThemBeforeTheNextStart) {
  run();
  EXPECT_EQ(hear(Exited{1, kSegv}, 1s), "");
  EXPECT_EQ(hear(Tick{}, 1100ms), "spawn 2 after children");
  EXPECT_EQ(service.deadline(), std::nullopt) << "its time has not begun";
  EXPECT_TRUE(service.awaits(2));
  EXPECT_EQ(hear(ChildrenEnded{2}, 3s), "");
  EXPECT_EQ(service.deadline(), at(13s));
  EXPECT_EQ(hear(ChildrenEnded{1}, 4s), "");
  EXPECT_EQ(service.deadline(), at(13s)) << "that of another start";
}

TEST_F(ServiceChildrenTest, AStopWhileTheyAreEndedBeforeAStart) {
  hear(StartRequested{});
  EXPECT_EQ(hear(StopRequested{}, 1s), "term 1");
  EXPECT_FALSE(service.awaits(1));
  EXPECT_EQ(hear(ChildrenEnded{1}, 1s), "");
  EXPECT_EQ(hear(SpawnFailed{1, "not wanted"}, 1s), "end children");
  EXPECT_EQ(hear(ChildrenEnded{}, 1s), "stopped");
}

TEST_F(ServiceChildrenTest, AProcessThatIsSeenWhileTheyAreEndedIsWaitedFor) {
  run();
  hear(StopRequested{}, 1s);
  hear(Exited{1, kStatus0}, 2s);
  hear(DonorLate{.generation = 7, .waiting = 1}, 2s);
  EXPECT_EQ(hear(ChildrenEnded{}, 3s), "");
  EXPECT_EQ(hear(Exited{7, kStatus0}, 4s), "end children");
  EXPECT_EQ(hear(ChildrenEnded{}, 5s), "stopped");
}

TEST_F(ServiceChildrenTest, AnUpgradeLeavesThem) {
  run();
  hear(HandoffRequested{}, 1s);
  EXPECT_EQ(hear(CandidateReady{}, 1s), "phase start, spawn 2 candidate heir");
  hear(Registered{2}, 1s);
  EXPECT_EQ(switched(1, 2, 2s), "phase retire, take (keeps the one before)");
  EXPECT_EQ(hear(Exited{1, kStatus0}, 3s), "done");
}

TEST_F(ServiceChildrenTest, AnHeirThatFailsLeavesNothing) {
  run();
  hear(HandoffRequested{}, 1s);
  hear(CandidateReady{}, 1s);
  EXPECT_EQ(hear(Exited{2, kStatus3}, 1s), "end children of 2, drop, failed(exited)");
}

TEST_F(ServiceChildrenTest, AnHeirThatTakesOverFromADeadDonorLeavesThem) {
  run();
  hear(HandoffRequested{}, 1s);
  hear(CandidateReady{}, 1s);
  hear(Registered{2}, 1s);
  EXPECT_EQ(hear(Exited{1, kSegv}, 2s), "");
  EXPECT_EQ(hear(owned(2), 2s), "phase retire, take (keeps the one before), done");
  EXPECT_EQ(service.current(), 2U);
}

TEST_F(ServiceChildrenTest, AStartThatTimedOutLeavesNothing) {
  hear(StartRequested{});
  hear(ChildrenEnded{1});
  EXPECT_EQ(hear(Tick{}, 10s), "kill 1");
  EXPECT_EQ(hear(Exited{1, kKilled}, 10s), "look for children of 1, end children of 1");
  EXPECT_STREQ(service.state_name(), "backoff");
}

TEST_F(ServiceChildrenTest, WhatDaemonisesIsToldSo) {
  hear(StartRequested{});
  hear(ChildrenEnded{1});
  EXPECT_EQ(hear(Exited{1, kStatus0}, 1s), "look for children of 1, end children of 1");
  hear(ChildrenSeen{1, 2, "a (pid 7), b (pid 8)"}, 1s);
  EXPECT_NE(service.problem().find("before it was ready, and left 2 processes: a (pid 7)"),
            std::string::npos)
      << service.problem();
}

TEST_F(ServiceChildrenTest, SoIsOneThatDoesItLater) {
  set_policy(ChildrenPolicy::kLeave);
  start();
  EXPECT_EQ(hear(Exited{1, kStatus0}, 1s), "look for children of 1");
  EXPECT_EQ(hear(Tick{}, 2s), "spawn 2");
  const std::string before = service.problem();
  hear(ChildrenSeen{1, 1, "a (pid 7)"}, 2s);
  EXPECT_EQ(service.problem(), before) << "that of another";
}

TEST_F(ServiceChildrenTest, LeaveLeavesThem) {
  set_policy(ChildrenPolicy::kLeave);
  start();
  EXPECT_EQ(hear(Exited{1, kSegv}, 1s), "");
  EXPECT_EQ(hear(Tick{}, 2s), "spawn 2");
  EXPECT_EQ(hear(StopRequested{}, 2s), "term 2");
  EXPECT_EQ(hear(Exited{2, kKilled}, 2s), "stopped");
}

}  // namespace
}  // namespace handoff::supervisor
