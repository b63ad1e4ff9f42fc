// Echo with several event loops: clients write all the time while it goes from two threads to
// three, to one and back, and while upgrades fail.
#include <gtest/gtest.h>
#include <sys/types.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/clients/echo_swarm.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/footprint.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kClients = 600;

std::string echo(int version) { return program("handoff-echo-" + std::to_string(version)); }

class LanesUpgradeTest : public ::testing::Test {
 protected:
  explicit LanesUpgradeTest(unsigned visitors = 200, const std::string& config = "")
      : visitors_(visitors),
        supervisor_({.command = {echo(1), "--threads", "2"}, .config = config}) {}
  void SetUp() override { ASSERT_TRUE(swarm_.wait_until_each_answered_by("1", Deadline::in(30s))); }
  void TearDown() override {
    const EchoSwarm::Report report = swarm_.stop(Deadline::in(30s));
    EXPECT_TRUE(report.flawless()) << report.describe();
    EXPECT_EQ(report.visitors > 0, visitors_ > 0);
    for (const auto& versions : report.versions) ASSERT_EQ(versions, expected_);
  }

  void upgrade(int version, const std::string& threads) {
    const auto upgrade = supervisor_.upgrade(echo(version), {"--threads", threads});
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
    const auto done = upgrade.done();
    ASSERT_EQ(done.value("result", ""), "done") << upgrade.describe();
    EXPECT_GE(done.at("sessions").at("moved").get<std::size_t>(), kClients);
    EXPECT_EQ(done.at("sessions").at("lost"), 0);
    expected_.push_back(std::to_string(version));
    ASSERT_TRUE(swarm_.wait_until_each_answered_by(expected_.back(), Deadline::in(30s)))
        << swarm_.stop(Deadline::in(1s)).describe();
  }
  std::size_t threads() const {
    const std::filesystem::path folder =
        "/proc/" + std::to_string(supervisor_.service_pid()) + "/task";
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
  }

  const unsigned visitors_;  // a second
  Supervisor supervisor_;
  EchoSwarm swarm_{
      {.port = supervisor_.port(), .residents = kClients, .visitors_per_second = visitors_}};
  std::vector<std::string> expected_ = {"1"};
};

TEST_F(LanesUpgradeTest, TwoThreadsBecomeThreeAndOneAndTwoAndNobodyNotices) {
  EXPECT_EQ(threads(), 2U);
  upgrade(2, "3");
  EXPECT_EQ(threads(), 3U);
  upgrade(1, "1");
  EXPECT_EQ(threads(), 1U);
  upgrade(2, "2");
  EXPECT_EQ(threads(), 2U);
}

// Without visitors: the same connections all the time. By default what an heir refuses would stay
// with the old process.
class FailedLanesUpgradeTest : public LanesUpgradeTest {
 protected:
  FailedLanesUpgradeTest() : LanesUpgradeTest(0, "unmovable = \"refuse\"\n") {}
};

TEST_F(FailedLanesUpgradeTest, HeirsThatFailLeaveAllLoopsServing) {
  const Footprint footprint(supervisor_);
  for (const char* misdeed : {"crashes-while-copying", "crashes-while-frozen", "hangs-while-frozen",
                              "rejects-while-frozen"}) {
    SCOPED_TRACE(misdeed);
    const auto upgrade = supervisor_.upgrade(program("bad_heir"), {misdeed});
    EXPECT_EQ(upgrade.status, 1) << upgrade.describe();
    EXPECT_EQ(upgrade.done().value("result", ""), "failed") << upgrade.describe();
    EXPECT_TRUE(swarm_.wait_until_each_answered_again(Deadline::in(30s)));
  }
  footprint.expect_unchanged();
  upgrade(2, "3");
}

TEST_F(LanesUpgradeTest, APlanCountsTheSessionsOfAllLoops) {
  const auto outcome = supervisor_.plan(echo(2), {"--threads", "3"});
  ASSERT_EQ(outcome.status, 0) << outcome.describe();
  const auto plan = outcome.done();
  EXPECT_GE(plan.at("sessions").at("move").get<std::size_t>(), kClients);
  EXPECT_EQ(plan.at("sessions").at("refused"), 0);
  EXPECT_GT(plan.at("bytes").at("sessions"), 0);
  EXPECT_GT(plan.at("blackout_us").at("measured").at("save_ns"), 0);
  EXPECT_NE(plan.value("sentence", "").find("would disconnect nobody"), std::string::npos);
  EXPECT_TRUE(swarm_.wait_until_each_answered_again(Deadline::in(30s)));
}

TEST_F(FailedLanesUpgradeTest, WhatAHeirRefusesIsPlannedForAllLoops) {
  const auto outcome = supervisor_.plan(program("bad_heir"), {"rejects-while-frozen"});
  EXPECT_EQ(outcome.status, 1) << outcome.describe();
  const auto plan = outcome.done();
  EXPECT_EQ(plan.at("sessions").at("examples").size(), 10U) << outcome.describe();
  EXPECT_TRUE(swarm_.wait_until_each_answered_again(Deadline::in(30s)));
}

TEST(LanesStopTest, AllLoopsEndWhenTheServiceIsStopped) {
  Supervisor supervisor({.command = {echo(2), "--threads", "3"}});
  const UniqueFd service = hold(supervisor.service_pid());
  const auto stop = supervisor.command({"stop", supervisor.name()});
  EXPECT_EQ(stop.status, 0) << stop.describe();
  EXPECT_TRUE(wait_end(service));
}

}  // namespace
}  // namespace handoff::test
