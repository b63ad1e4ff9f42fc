// The programs of docs/guide.md do what it says. (docs/guide/try-upgrade is run by itself.)
#include <gtest/gtest.h>

#include "line_client.h"
#include "programs.h"
#include "supervisor.h"

namespace test {
namespace {

std::string guide(const std::string& name) { return program("guide-" + name); }

std::string ask(LineClient& client, const std::string& line) {
  client.say(line);
  return client.next();
}

TEST(GuideTest, ThePollLoopAndTheUvLayerHandOverToEachOther) {
  Supervisor supervisor({.command = {guide("poll")}, .name = "tally"});
  LineClient client(supervisor.port());
  EXPECT_EQ(ask(client, "5"), "5");
  client.send("1");  // half a line goes along
  for (const std::string release : {"tally-1", "tally-2", "poll", "poll"}) {
    const auto upgrade = supervisor.upgrade(guide(release));
    ASSERT_EQ(upgrade.status, 0) << release << ": " << upgrade.describe();
  }
  EXPECT_EQ(ask(client, "0"), "15");
  LineClient other(supervisor.port());
  EXPECT_EQ(ask(other, "7"), "7");
}

TEST(GuideTest, AStateOfProtobufGoesAlong) {
  Supervisor supervisor({.command = {guide("proto")}, .name = "tally"});
  LineClient client(supervisor.port());
  EXPECT_EQ(ask(client, "5"), "5");
  EXPECT_EQ(ask(client, "7"), "12");
  const auto upgrade = supervisor.upgrade(guide("proto"));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(ask(client, "undo"), "5");
}

TEST(GuideTest, ASectionGoesAlong) {
  Supervisor supervisor({.command = {guide("section")}, .name = "tally"});
  LineClient client(supervisor.port());
  EXPECT_EQ(ask(client, "5"), "5");
  client.say("keep five");
  client.next();
  const auto upgrade = supervisor.upgrade(guide("section"));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  LineClient other(supervisor.port());
  EXPECT_EQ(ask(other, "show five"), "5");
}

TEST(GuideTest, ARegionGoesAlong) {
  Supervisor supervisor({.command = {guide("region")}, .name = "tally"});
  LineClient client(supervisor.port());
  EXPECT_EQ(ask(client, "5"), "5");
  EXPECT_EQ(ask(client, "keep five"), "5");
  EXPECT_EQ(ask(client, "2"), "7");
  EXPECT_EQ(ask(client, "keep seven"), "7");
  for (const std::string name : {"six", "eight"}) {
    const auto upgrade = supervisor.upgrade(guide("region"));
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
    LineClient other(supervisor.port());
    EXPECT_EQ(ask(other, "show five"), "5");
    EXPECT_EQ(ask(other, "show seven"), "7");
    EXPECT_EQ(ask(other, "show " + name), "0");
    EXPECT_EQ(ask(client, "keep " + name), "7");
    EXPECT_EQ(ask(other, "show " + name), "7");
  }
}

TEST(GuideTest, AReleaseThatDoesNotKnowTheSectionIsRefused) {
  Supervisor supervisor({.command = {guide("section")}, .name = "tally"});
  const auto upgrade = supervisor.upgrade(guide("tally-1"));
  EXPECT_EQ(upgrade.status, 1) << upgrade.describe();
  EXPECT_NE(upgrade.describe().find("kept"), std::string::npos) << upgrade.describe();
}

}  // namespace
}  // namespace test
