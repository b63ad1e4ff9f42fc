// A session that can't move by its service's word, under the real supervisor: the plan says whom
// the upgrade would disconnect and why, and the upgrade, status and history count it by its reason.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

#include "support/clients/line_client.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string steps(int release) { return program("steps-" + std::to_string(release)); }
const json kOneByTls = json::array({{{"why", "tls"}, {"sessions", 1}}});

class StayingUpgradeTest : public ::testing::Test {
 protected:
  explicit StayingUpgradeTest(const std::string& config = "drain = \"1s\"\n",
                              const Environment& environment = {})
      : supervisor_({.command = {steps(1), "--stays", "2"},
                     .name = "steps",
                     .environment = environment,
                     .config = config}),
        idle_(supervisor_.port()),
        tls_(supervisor_.port()) {
    EXPECT_EQ("1 1 - -", idle_.ask("a"));
    EXPECT_EQ("1 1 - -", tls_.ask("a"));
    EXPECT_EQ("1 2 - -", tls_.ask("a"));
  }
  Supervisor supervisor_;
  LineClient idle_, tls_;
};

TEST_F(StayingUpgradeTest, ThePlanSaysWhomItWouldDisconnectAndTheUpgradeDoesIt) {
  const auto plan = supervisor_.plan(steps(2));
  EXPECT_EQ(plan.status, 0) << plan.describe();
  EXPECT_THAT(plan.done().at("sentence").get<std::string>(),
              HasSubstr("would disconnect 1: tls, when the drain is over: 1 session would move"));
  EXPECT_EQ(plan.done().at("sessions").at("staying"), kOneByTls);
  EXPECT_EQ(plan.done().at("sessions").at("wait"), 0);

  const auto upgrade = supervisor_.upgrade(steps(2));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  const json sessions = upgrade.done().at("sessions");
  EXPECT_EQ(sessions.at("moved"), 1);
  EXPECT_EQ(sessions.at("waiting"), 1);
  EXPECT_EQ(sessions.at("lost"), 0);
  EXPECT_EQ(sessions.at("unmovable"), 0);
  EXPECT_EQ(sessions.at("staying"), kOneByTls);
  EXPECT_EQ(supervisor_.history("upgrade").back().at("sessions").at("staying"), kOneByTls);
  const json late = supervisor_.status().at("late");
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(late.at(0).at("staying"), kOneByTls);
  EXPECT_EQ("2 2 - -", idle_.ask("b"));
  EXPECT_EQ("1 3 - -", tls_.ask("b"));
  for (const char* command : {"history", "status"}) {
    EXPECT_THAT(supervisor_.command({command}).out,
                HasSubstr("1 can't move and stays with the old release: tls"));
  }
  EXPECT_EQ("RESET", tls_.line()) << "the drain is over";
  supervisor_.wait_for_status([](const json& s) { return s.at("late").empty(); });
}

// The old release is killed when it has given away what moves, and before it has said what stays.
class DeadDonorTest : public StayingUpgradeTest, public ::testing::WithParamInterface<const char*> {
 protected:
  DeadDonorTest()
      : StayingUpgradeTest("drain = \"1s\"\n",
                           {{"HANDOFF_FAILPOINT", std::string(GetParam()) + "=kill"}}) {}
};
INSTANTIATE_TEST_SUITE_P(At, DeadDonorTest,
                         ::testing::Values("donor.prepare.sent", "donor.release.sent",
                                           "donor.retire.before", "donor.retire.after"),
                         [](const auto& at) {
                           std::string name = at.param;
                           std::erase(name, '.');
                           return name;
                         });

TEST_P(DeadDonorTest, WhatItHadKeptIsToldAsLost) {
  const auto upgrade = supervisor_.upgrade(steps(2));
  EXPECT_EQ(upgrade.status, 5) << upgrade.describe();
  const json done = upgrade.done();
  EXPECT_EQ(done.at("result"), "lost");
  EXPECT_EQ(done.at("sessions").at("moved"), 1);
  EXPECT_EQ(done.at("sessions").at("waiting"), 0);
  EXPECT_EQ(done.at("sessions").at("lost"), 1);
  EXPECT_EQ(done.at("sessions").at("lost_ids").size(), 1U);
  EXPECT_EQ(done.at("error").at("code"), "peer_died");
  EXPECT_EQ(done.at("error").at("failed"), "old");
  const json told = supervisor_.history("upgrade").back();
  EXPECT_EQ(told.at("result"), "lost");
  EXPECT_EQ(told.at("sessions"), done.at("sessions"));
  EXPECT_EQ(supervisor_.status().at("last_upgrade").at("sessions"), done.at("sessions"));
  EXPECT_EQ("2 2 - -", idle_.ask("b")) << "it had moved";
  EXPECT_THAT(tls_.line(), ::testing::AnyOf("EOF", "RESET"));
}

class KeptUpgradeTest : public StayingUpgradeTest {
 protected:
  KeptUpgradeTest() : StayingUpgradeTest("drain = \"0s\"\nlate = \"keep\"\n") {}
};

TEST_F(KeptUpgradeTest, WhereLateSessionsAreKeptNobodyIsDisconnected) {
  const auto plan = supervisor_.plan(steps(2));
  EXPECT_THAT(
      plan.done().at("sentence").get<std::string>(),
      HasSubstr("disconnect nobody: 1 session would move, 1 would stay with the old release "
                "until they end (tls)"));
  const auto told = supervisor_.command({"upgrade", "steps", steps(2)});
  EXPECT_EQ(told.status, 0) << told.err;
  EXPECT_THAT(told.out, HasSubstr("1 can't move and stays with the old release: tls"));
  EXPECT_EQ("1 3 - -", tls_.ask("b"));
}

}  // namespace
}  // namespace handoff::test
