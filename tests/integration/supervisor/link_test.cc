// Programs are deployed behind a link. What it led to still lies there, with its libraries.
#include "kept_fixture.h"

namespace handoff::test {
namespace {

// The next supervisor opens it by its path, or by the process that still leaves.
class LinkTest : public KeptTest, public ::testing::WithParamInterface<bool> {};

TEST_P(LinkTest, AReleaseBehindALinkRunsFromWhereTheLinkLed) {
  const std::string link = supervisor.dir() / "current";
  for (const int version : {1, 2}) {
    const std::string folder = supervisor.dir() / ("v" + std::to_string(version));
    fs::create_directory(folder);
    put(version, folder + "/echo");
  }
  fs::create_directory_symlink("v1", link);
  one = link + "/echo";
  const bool leaves = GetParam();
  supervisor.start(
      {.command = {one},
       .environment = {{"HANDOFF_FAILPOINT", leaves ? "donor.retire.after=stop" : ""}}});
  wait_until_kept();
  fs::remove(link);
  fs::create_directory_symlink("v2", link);
  ASSERT_EQ(supervisor.upgrade(one, {}, {"--probation", "1h"}).status, 0);
  expect_runs(2);
  wait_until_kept();
  if (!leaves) supervisor.settle();
  ASSERT_EQ(supervisor.command({"upgrade", "--self"}).status, 0);
  EXPECT_EQ(supervisor.status().at("leaving").size(), leaves ? 1U : 0U);
  kill_service();
  supervisor.wait_for_status(
      [](const json& now) { return now.at("state") == "running" && now.at("release") == "1.0"; });
  expect_runs(1);
  EXPECT_EQ(fs::read_symlink("/proc/" + std::to_string(supervisor.service_pid()) + "/exe"),
            (supervisor.dir() / "v1") + "/echo");
  EXPECT_TRUE(supervisor.says(one + " leads elsewhere by now"));
  EXPECT_EQ(supervisor.status().at("drift"), true);
}

INSTANTIATE_TEST_SUITE_P(Opened, LinkTest, ::testing::Bool(), [](const auto& by_process) {
  return by_process.param ? "ByTheProcess" : "ByItsPath";
});

}  // namespace
}  // namespace handoff::test
