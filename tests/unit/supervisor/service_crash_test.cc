// A crash: the process that served has ended, and nobody had asked it to.
#include <algorithm>

#include "service_fixture.h"

namespace handoff::supervisor {
namespace {

class ServiceCrashTest : public ServiceTest {
 protected:
  std::optional<Crashed> crash(const Event& event, std::chrono::milliseconds when = 0ms) {
    std::optional<Crashed> out;
    for (const Effect& effect : service.step(event, at(when))) {
      if (const auto* crashed = std::get_if<Crashed>(&effect)) out = *crashed;
    }
    return out;
  }
  static Exited killed(Generation generation) {
    return {generation, {.signalled = true, .number = 9}};
  }
};

TEST_F(ServiceCrashTest, IsToldWithHowItEndedAndHowManySessionsItHad) {
  start();
  hear(Counted{1, 7});
  const auto told = crash(killed(1), 1s);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->generation, 1U);
  EXPECT_EQ(told->how, "was killed by SIGKILL");
  EXPECT_EQ(told->sessions, 7U);
}

TEST_F(ServiceCrashTest, SoIsAnEndWithoutAComplaint) {
  start();
  const auto told = crash(Exited{1, {.number = 0}}, 1s);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->how, "exited with status 0");
}

TEST_F(ServiceCrashTest, AStopIsNone) {
  start();
  hear(StopRequested{.to_stay = true}, 1s);
  EXPECT_FALSE(crash(killed(1), 2s));
}

TEST_F(ServiceCrashTest, NorIsAProcessThatNeverServed) {
  ASSERT_EQ(hear(StartRequested{}), "spawn 1");
  EXPECT_FALSE(crash(killed(1), 1s));
}

TEST_F(ServiceCrashTest, NorIsADonorThatHasHandedOver) {
  upgrade_to_switch();
  switched(1, 2, 1s);
  EXPECT_FALSE(crash(killed(1), 2s));
  EXPECT_TRUE(crash(killed(2), 3s));
}

TEST_F(ServiceCrashTest, OneThatWasAdoptedCounts) {
  hear(Found{.last = 3, .current = 3});
  const auto told = crash(Exited{3, {.unseen = true}}, 1s);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->how, "ended");
}

}  // namespace
}  // namespace handoff::supervisor
