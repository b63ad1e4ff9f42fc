// A service that reads its version from somewhere: of the same files, its word tells which release
// it is.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/process/files.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using nlohmann::json;

class ReleaseNameTest : public SupervisorTest {
 protected:
  void start() {
    write_file(version, "1.0");
    write_file(
        wrapper,
        "#!/bin/sh\nexec " + fake_service() + " --release \"$(cat " + version + ")\" \"$@\"\n",
        0755);
    supervisor.start({.command = {wrapper}, .name = "chat"});
    wait_until_kept();
  }
  void wait_until_kept() {
    supervisor.wait_for_status([](const json& now) { return now.at("kept") == true; });
  }

  std::string version = supervisor.dir() / "version";
  std::string wrapper = supervisor.dir() / "service";
};

TEST_F(ReleaseNameTest, TheSameFilesThatSayAnotherReleaseAreThatRelease) {
  start();
  const json before = supervisor.status();
  write_file(version, "2.0");
  const auto restart = supervisor.command({"restart", "chat", "--json"});
  ASSERT_EQ(restart.status, 0) << restart.describe();
  EXPECT_EQ(restart.done().at("from").at("release"), "1.0");
  EXPECT_EQ(restart.done().at("to").at("release"), "2.0");
  EXPECT_EQ(supervisor.status().at("release"), "2.0");
  EXPECT_EQ(supervisor.status().at("digest"), before.at("digest"));
  EXPECT_TRUE(supervisor.status().at("back").is_null());
  EXPECT_TRUE(supervisor.says("release 1.0 is not known any more, so nobody can go back to it"))
      << supervisor.log();
  write_file(version, "3.0");
  kill_and_wait(hold(supervisor.service_pid()));
  supervisor.wait_for_status(
      [](const json& now) { return now.at("state") == "running" && now.at("release") == "3.0"; });
  EXPECT_EQ(supervisor.history("other_release").size(), 1U);
}

TEST_F(ReleaseNameTest, OneThatFailsLeavesTheNameOfTheOneThatRuns) {
  write_file(version, "1.0");
  write_file(
      wrapper,
      "#!/bin/sh\nexec " + fake_service() + " --release \"$(cat " + version + ")\" --heir fail\n",
      0755);
  supervisor.start({.command = {wrapper}, .name = "chat"});
  write_file(version, "2.0");
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 1);
  EXPECT_EQ(supervisor.status().at("release"), "1.0") << "it runs, and says so";
}

TEST_F(ReleaseNameTest, WhoGoesBackIsNotGivenAnother) {
  start();
  const std::string other = supervisor.dir() / "other";
  write_file(other, "#!/bin/sh\nexec " + fake_service() + " --release other\n", 0755);
  ASSERT_EQ(supervisor.upgrade(other).status, 0);
  write_file(version, "2.0");
  const auto back = supervisor.command({"rollback", "chat", "--json"});
  EXPECT_EQ(back.status, 1) << back.describe();
  EXPECT_EQ(back.done().at("error").at("code"), "other_release");
  EXPECT_EQ(supervisor.status().at("release"), "other");
  write_file(version, "1.0");
  ASSERT_EQ(supervisor.command({"rollback", "chat"}).status, 0);
}

}  // namespace
}  // namespace handoff::test
