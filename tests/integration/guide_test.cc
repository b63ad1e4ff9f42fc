// The programs of docs/guide.md do what it says. (docs/guide/try-upgrade is run by itself.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/clients/line_client.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string guide(const std::string& name) { return program("guide-" + name); }

TEST(GuideTest, ThePollLoopTheUvLayerAndTheKitInCHandOverToEachOther) {
  Supervisor supervisor({.command = {guide("poll")}, .name = "tally"});
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("5"), "5");
  client.send("1");  // half a line goes along
  for (const std::string release : {"tally-1", "tally-c", "tally-2", "tally-c", "poll", "poll"}) {
    const auto upgrade = supervisor.upgrade(guide(release));
    ASSERT_EQ(upgrade.status, 0) << release << ": " << upgrade.describe();
  }
  EXPECT_EQ(client.ask("0"), "15");
  LineClient other(supervisor.port());
  EXPECT_EQ(other.ask("7"), "7");
}

TEST(GuideTest, AStateOfProtobufGoesAlong) {
  Supervisor supervisor({.command = {guide("proto")}, .name = "tally"});
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("5"), "5");
  EXPECT_EQ(client.ask("7"), "12");
  const auto upgrade = supervisor.upgrade(guide("proto"));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(client.ask("undo"), "5");
}

TEST(GuideTest, ATimerOfTheServiceGoesOnInTheNextRelease) {
  Supervisor supervisor({.command = {guide("everyone")}, .name = "guests"});
  LineClient one(supervisor.port()), two(supervisor.port());
  EXPECT_EQ(one.next_with("2 here"), "2 here");
  const auto upgrade = supervisor.upgrade(guide("everyone"));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  LineClient three(supervisor.port());
  EXPECT_EQ(two.next_with("3 here"), "3 here");
}

TEST(GuideTest, ASectionGoesAlong) {
  Supervisor supervisor({.command = {guide("section")}, .name = "tally"});
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("5"), "5");
  client.say("keep five");
  client.next();
  const auto upgrade = supervisor.upgrade(guide("section"));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  LineClient other(supervisor.port());
  EXPECT_EQ(other.ask("show five"), "5");
}

TEST(GuideTest, ARegionGoesAlong) {
  Supervisor supervisor({.command = {guide("region")}, .name = "tally"});
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("5"), "5");
  EXPECT_EQ(client.ask("keep five"), "5");
  EXPECT_EQ(client.ask("2"), "7");
  EXPECT_EQ(client.ask("keep seven"), "7");
  for (const std::string name : {"six", "eight"}) {
    const auto upgrade = supervisor.upgrade(guide("region"));
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
    LineClient other(supervisor.port());
    EXPECT_EQ(other.ask("show five"), "5");
    EXPECT_EQ(other.ask("show seven"), "7");
    EXPECT_EQ(other.ask("show " + name), "0");
    EXPECT_EQ(client.ask("keep " + name), "7");
    EXPECT_EQ(other.ask("show " + name), "7");
  }
}

TEST(GuideTest, AReleaseThatDoesNotKnowTheSectionIsRefused) {
  Supervisor supervisor({.command = {guide("section")}, .name = "tally"});
  const auto upgrade = supervisor.upgrade(guide("tally-1"));
  EXPECT_EQ(upgrade.status, 1) << upgrade.describe();
  EXPECT_NE(upgrade.describe().find("kept"), std::string::npos) << upgrade.describe();
  ASSERT_TRUE(supervisor.says("exited with status 0"));
  EXPECT_THAT(supervisor.log(), HasSubstr("tally-1: the handoff failed: "));
  EXPECT_THAT(supervisor.log(), Not(HasSubstr("terminate called")));
}

TEST(GuideTest, EveryProgramLeavesARehearsalInOrder) {
  for (const std::string release :
       {"tally-1", "tally-2", "tally-c", "poll", "section", "region", "proto"}) {
    Supervisor supervisor({.command = {guide(release)}, .name = "tally"});
    const LineClient client(supervisor.port());
    const auto plan = supervisor.plan(guide(release));
    EXPECT_EQ(plan.status, 0) << release << ": " << plan.describe();
    ASSERT_TRUE(supervisor.says("exited with status 0")) << release << ": " << supervisor.log();
    EXPECT_THAT(supervisor.log(), HasSubstr("guide-" + release + ": the rehearsal is over"));
    EXPECT_THAT(supervisor.log(), Not(HasSubstr("terminate called"))) << release;
  }
}

}  // namespace
}  // namespace handoff::test
