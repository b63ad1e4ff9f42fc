// What the configuration names, and what was chosen beside it: which of them counts, and who is
// told.
#include "choice_fixture.h"

namespace handoff::test {
namespace {

TEST_F(ChoiceTest, ACommandThatHasChangedCounts) {
  start();
  ASSERT_EQ(supervisor.terminate().status, 0);
  supervisor.options().command = {two};
  supervisor.start_again();
  expect_runs(2, "provisional", "1.0");
  EXPECT_EQ(supervisor.log().find("as it was chosen"), std::string::npos) << supervisor.log();
}

TEST_F(ChoiceTest, AConfigurationThatAlwaysCountsForgetsAnotherFile) {
  install(1, one);
  install(2, two);
  supervisor.start({.command = {one}, .config = "release = \"config\"\n"});
  wait_until_kept();
  upgrade(two);
  ASSERT_EQ(supervisor.command({"commit", "echo"}).status, 0);
  wait_for_choice([](const json& now) { return now.at("probation").at("provisional") == false; });
  // A crash is no start from nothing.
  kill_and_wait(hold(supervisor.service_pid()));
  expect_runs(2, "permanent", "1.0");
  reboot();
  expect_runs(1, "permanent", "2.0");
}

TEST_F(ChoiceTest, AReloadAndACheckSayThatWhatRunsIsAnother) {
  install(1, one);
  install(2, two);
  supervisor.start({.command = {one}, .config = "drain = \"20s\"\n"});
  const std::string file = supervisor.dir() / "handoff.toml";
  const auto before = supervisor.command({"check", "--config", file});
  EXPECT_EQ(before.status, 0) << before.describe();
  EXPECT_EQ(before.out.find("note:"), std::string::npos) << before.out;
  upgrade(two);
  const auto check = supervisor.command({"check", "--config", file});
  EXPECT_EQ(check.status, 0) << check.describe();
  EXPECT_NE(check.out.find("echo: what runs is " + two + ", as it was chosen"), std::string::npos)
      << check.out;
  const auto reload = supervisor.command({"reload"});
  EXPECT_NE(reload.out.find("echo: command: what runs is " + two +
                            ", as it was chosen: handoff "
                            "upgrade --config echo"),
            std::string::npos)
      << reload.out;
}

// The release before the unproven one has proved itself: that is where a failure leads to.
TEST_F(ChoiceTest, ACommandThatHasChangedOnProbationGoesBackToWhatIsPermanent) {
  start();
  upgrade(two, {"--probation", "1h"});
  const std::string three = supervisor.dir() / "echo-3";
  install(2, three);
  std::filesystem::resize_file(three, std::filesystem::file_size(three) + 1);  // other bytes
  power_off();
  supervisor.options().command = {three};
  supervisor.start_again();
  expect_runs(2, "provisional", "1.0");
  EXPECT_EQ(supervisor.status().at("path"), three);
  kill_and_wait(hold(supervisor.service_pid()));
  expect_runs(1, "permanent", json());
}

TEST_F(ChoiceTest, OneThatIsNamedByNowGoesOnWithItsProbation) {
  start();
  upgrade(two, {"--probation", "1h"});
  power_off();
  supervisor.options().command = {two};
  supervisor.start_again();
  expect_runs(2, "provisional", "1.0");
}

// Nobody has chosen the file that a name led to before: the name was chosen.
TEST_F(ChoiceTest, APathThatFindsAnotherProgramCountsLikeANewFile) {
  const std::string first = supervisor.dir() / "bin-1";
  const std::string second = supervisor.dir() / "bin-2";
  fs::create_directory(first);
  fs::create_directory(second);
  install(1, first + "/echo");
  install(2, second + "/echo");
  supervisor.start({.command = {"echo"}, .environment = {{"PATH", first}}});
  expect_runs(1, "permanent", json());
  wait_until_kept();
  power_off();
  supervisor.options().environment = {{"PATH", second + ":" + first}};
  supervisor.start_again();
  expect_runs(2, "provisional", "1.0");
  EXPECT_EQ(supervisor.status().at("path"), second + "/echo");
  // What somebody chooses is chosen.
  upgrade(first + "/echo");
  reboot();
  expect_runs(1, "permanent", "2.0");
}

}  // namespace
}  // namespace handoff::test
