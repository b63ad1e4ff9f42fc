// A service that ends on purpose, by its own word: it is not started again until somebody does.
#include <gmock/gmock.h>

#include <algorithm>
#include <utility>

#include "service_fixture.h"

namespace handoff::supervisor {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ServiceLeavingTest : public ServiceTest {
 protected:
  static Exited exited(Generation generation, int status = 0) {
    return {generation, {.number = status}};
  }
  void expect_left() {
    EXPECT_EQ(service.state(), State::kStopped);
    EXPECT_STREQ(service.state_name(), "stopped");
    EXPECT_EQ(service.problem(), "it has left by itself: all is done");
    EXPECT_EQ(service.next_start(), std::nullopt);
  }
};

TEST_F(ServiceLeavingTest, IsNotStartedAgainWhateverItsStatus) {
  for (const int status : {0, 1}) {
    service = Service({.name = "chat"});
    start();
    EXPECT_EQ(service.leaving(), nullptr);
    EXPECT_EQ(hear(Leaves{1, "all is done"}, 1s), "");
    ASSERT_NE(service.leaving(), nullptr);
    EXPECT_EQ(*service.leaving(), "all is done");
    EXPECT_EQ(service.state(), State::kRunning) << "until it ends";
    EXPECT_THAT(hear(exited(1, status), 2s), Not(HasSubstr("spawn")));
    expect_left();
    EXPECT_EQ(hear(Tick{}, 1h), "");
  }
}

TEST_F(ServiceLeavingTest, IsARecordOfItsOwnAndNoCrash) {
  start();
  hear(Counted{1, 7});
  hear(Leaves{1, "all is done"});
  const Effects effects = service.step(exited(1), at(1s));
  const auto left = std::find_if(effects.begin(), effects.end(), [](const Effect& effect) {
    return std::holds_alternative<Left>(effect);
  });
  ASSERT_NE(left, effects.end());
  EXPECT_EQ(std::get<Left>(*left).why, "all is done");
  EXPECT_EQ(std::get<Left>(*left).sessions, 7U);
  EXPECT_TRUE(std::none_of(effects.begin(), effects.end(), [](const Effect& effect) {
    return std::holds_alternative<Crashed>(effect);
  }));
}

TEST_F(ServiceLeavingTest, AStartBringsItBackAndAnEndIsACrashAgain) {
  start();
  hear(Leaves{1, "all is done"});
  hear(exited(1), 1s);
  expect_left();
  EXPECT_EQ(hear(HandoffRequested{.to = Probation::Origin::kSame}, 2s), "phase start, spawn 2");
  hear(Registered{2}, 2s);
  hear(Owned{.generation = 2}, 2s);
  ASSERT_EQ(service.state(), State::kRunning);
  EXPECT_EQ(service.problem(), "");
  EXPECT_EQ(service.leaving(), nullptr);
  hear(exited(2), 3s);
  EXPECT_EQ(service.state(), State::kBackoff);
}

TEST_F(ServiceLeavingTest, TheNextSupervisorLeavesItStoppedAndKnowsWhy) {
  start();
  hear(Leaves{1, "all is done"});
  hear(exited(1), 1s);
  const Found saved = service.found();
  EXPECT_EQ(saved.rest, Rest::kStopped);
  Service next({.name = "chat"});
  EXPECT_EQ(show(next.step(saved, at(2s))), "");
  service = std::move(next);
  EXPECT_EQ(hear(StartRequested{}, 2s), "");
  expect_left();
}

// Seen: a service that said so, and ended while its supervisor was replaced, was started again.
TEST_F(ServiceLeavingTest, TheNextSupervisorKnowsWhoIsAboutToLeave) {
  start();
  hear(Leaves{1, "all is done"});
  const Found saved = service.found();
  for (const bool lives : {false, true}) {
    Service next({.name = "chat"});
    Found found = saved;
    if (!lives) found.gone = std::exchange(found.current, 0);
    const std::string heard = show(next.step(found, at(2s)));
    service = std::move(next);
    if (lives) {
      EXPECT_EQ(heard, "");
      EXPECT_EQ(hear(Leaves{1, "all is done"}, 2s), "") << "it says so again";
      hear(Exited{1, {.unseen = true}}, 3s);
    }
    EXPECT_EQ(hear(StartRequested{}, 3s), "");
    expect_left();
  }
}

TEST_F(ServiceLeavingTest, AStopOfOneThatIsAboutToLeaveIsAStopAlsoUnderTheNextSupervisor) {
  start();
  hear(Leaves{1, "all is done"});
  hear(StopRequested{.to_stay = true}, 1s);
  Found found = service.found();
  found.gone = std::exchange(found.current, 0);
  service = Service({.name = "chat"});
  EXPECT_EQ(hear(found, 2s), "");
  EXPECT_EQ(service.problem(), "");
}

// What one generation says is not said of the next.
TEST_F(ServiceLeavingTest, AnHeirIsStartedAgainAsEver) {
  upgrade_to_switch();
  hear(Leaves{1, "all is done"}, 1s);
  switched(1, 2, 1s);
  EXPECT_EQ(service.leaving(), nullptr);
  hear(CommitRequested{}, 2s);
  hear(exited(1), 2s);
  hear(exited(2), 3s);
  EXPECT_EQ(service.state(), State::kBackoff);
}

TEST_F(ServiceLeavingTest, OneOnProbationIsBelieved) {
  upgrade_to_switch();
  switched(1, 2, 1s);
  hear(exited(1), 1s);
  hear(Leaves{2, "all is done"}, 2s);
  EXPECT_EQ(hear(exited(2), 3s), "look for children of 2");
  expect_left();
}

TEST_F(ServiceLeavingTest, AStopIsAStop) {
  start();
  hear(Leaves{1, "all is done"});
  hear(StopRequested{.to_stay = true}, 1s);
  EXPECT_THAT(hear(exited(1), 2s), HasSubstr("stopped"));
  EXPECT_EQ(service.problem(), "");
}

}  // namespace
}  // namespace handoff::supervisor
