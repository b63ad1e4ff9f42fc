// What was chosen for a service holds until somebody chooses something else: over a reboot, a stop
// and start of the supervisor, its death and its replacement.
#include <csignal>

#include "choice_fixture.h"

namespace handoff::test {
namespace {

// ---- another file --------------------------------------------------------------------------

TEST_F(ChoiceTest, AnotherFileSurvivesAReboot) {
  start();
  upgrade(two);
  ASSERT_EQ(supervisor.command({"commit", "echo"}).status, 0);
  wait_for_choice([](const json& now) { return now.at("probation").at("provisional") == false; });
  reboot();
  expect_runs(2, "permanent", "1.0");
  EXPECT_TRUE(supervisor.says("; the configuration names " + one)) << supervisor.log();
  fs::remove(two);
  reboot();
  expect_runs(2, "permanent", "1.0");
  restart();
  expect_runs(2, "permanent", "1.0");
}

TEST_F(ChoiceTest, SoDoOtherArguments) {
  start();
  ASSERT_EQ(supervisor.upgrade_with({"--name", "echo"}).status, 0);
  wait_for_choice([](const json& now) { return !now.at("release").at("args").empty(); });
  reboot();
  EXPECT_EQ(supervisor.status().at("args"), (json{"--name", "echo"}));
}

// ---- the configuration's own path ----------------------------------------------------------

TEST_F(ChoiceTest, APackageThatWasInstalledCountsAfterARebootAndIsOnProbation) {
  start();
  install(2, one);
  reboot();
  expect_runs(2, "provisional", "1.0");
  const json record = supervisor.history("upgrade").back();
  EXPECT_EQ(record.at("by"), "start") << record;
  EXPECT_EQ(record.at("to").at("release"), "2.0") << record;
  kill_and_wait(hold(supervisor.service_pid()));
  expect_runs(1, "permanent", json());
}

TEST_F(ChoiceTest, SoItDoesAfterAStopAndStart) {
  start();
  install(2, one);
  restart();
  expect_runs(2, "provisional", "1.0");
}

TEST_F(ChoiceTest, AndWhenAStoppedServiceIsStarted) {
  start();
  ASSERT_EQ(supervisor.command({"stop", "echo"}).status, 0);
  install(2, one);
  const auto started = supervisor.command({"restart", "echo"});
  ASSERT_EQ(started.status, 0) << started.describe();
  expect_runs(2, "provisional", "1.0");
}

TEST_F(ChoiceTest, OneThatDoesNotComeUpMakesWayForWhatRanBefore) {
  start();
  write_file(one + ".new", "#!/bin/false\n", 0755);
  fs::rename(one + ".new", one);
  reboot();
  expect_runs(1, "permanent", json());
  const json record = supervisor.history("upgrade").back();
  EXPECT_EQ(record.at("result"), "failed") << record;
  EXPECT_EQ(record.at("by"), "start") << record;
}

TEST_F(ChoiceTest, SoDoesOneThatSomebodyHasStarted) {
  start();
  ASSERT_EQ(supervisor.command({"stop", "echo"}).status, 0);
  write_file(one + ".new", "#!/bin/false\n", 0755);
  fs::rename(one + ".new", one);
  const auto started = supervisor.command({"restart", "echo"});
  EXPECT_EQ(started.status, 1) << started.describe();
  EXPECT_NE(started.err.find("what ran before is started soon"), std::string::npos) << started.err;
  expect_runs(1, "permanent", json());
}

TEST_F(ChoiceTest, WhatCanNotBeOpenedMakesWayForWhatRanBefore) {
  start();
  fs::remove(one);
  reboot();
  expect_runs(1, "permanent", json());
  EXPECT_TRUE(supervisor.says("can't open " + one)) << supervisor.log();
  ASSERT_EQ(supervisor.command({"stop", "echo"}).status, 0);
  ASSERT_EQ(supervisor.command({"restart", "echo"}).status, 0);
  expect_runs(1, "permanent", json());
}

TEST_F(ChoiceTest, WhatIsAsItWasIsNoUpgrade) {
  start();
  reboot();
  expect_runs(1, "permanent", json());
  restart();
  expect_runs(1, "permanent", json());
  EXPECT_TRUE(supervisor.history("upgrade").empty());
}

// ---- probation -----------------------------------------------------------------------------

TEST_F(ChoiceTest, AProbationGoesOnAfterAReboot) {
  start();
  upgrade(two, {"--probation", "1h"});
  fs::remove(one);
  reboot();
  expect_runs(2, "provisional", "1.0");
  EXPECT_GT(supervisor.status().at("probation_left_ms"), 3500 * 1000);
  EXPECT_LE(supervisor.status().at("probation_left_ms"), 3600 * 1000);
  const auto back = supervisor.command({"rollback", "echo"});
  ASSERT_EQ(back.status, 0) << back.describe();
  expect_runs(1, "permanent", "2.0");
}

// ---- stopped -------------------------------------------------------------------------------

TEST_F(ChoiceTest, AStoppedServiceStaysStoppedUntilItIsStarted) {
  start();
  ASSERT_EQ(supervisor.command({"stop", "echo"}).status, 0);
  wait_for_choice([](const json& now) { return now.at("stopped") == true; });
  const auto stays_stopped = [&] {
    EXPECT_EQ(supervisor.status().at("state"), "stopped");
    const Outcome people = supervisor.command({"status"});
    EXPECT_NE(people.out.find("echo stays stopped until handoff restart echo"), std::string::npos)
        << people.out;
  };
  const std::string hint =
      "it stays stopped, as `handoff stop` left it (handoff restart echo starts it)";
  ASSERT_EQ(supervisor.command({"upgrade", "--self"}).status, 0);
  stays_stopped();
  supervisor.kill();
  run_again();
  ASSERT_TRUE(supervisor.says("echo: stopped"));
  EXPECT_TRUE(supervisor.says(hint));
  stays_stopped();
  power_off();
  run_again();
  ASSERT_TRUE(supervisor.says("echo: stopped"));
  EXPECT_TRUE(supervisor.says(hint));
  stays_stopped();
  ASSERT_EQ(supervisor.terminate().status, 0);
  run_again();
  ASSERT_TRUE(supervisor.says("echo: stopped"));
  EXPECT_TRUE(supervisor.says(hint));
  stays_stopped();
  ASSERT_EQ(supervisor.command({"restart", "echo"}).status, 0);
  reboot();
  expect_runs(1, "permanent", json());
}

TEST_F(ChoiceTest, OneThatWasJustBeingStoppedIsStoppedByTheNextSupervisor) {
  supervisor.start(fake({"--ignore", "stop"}, {"--drain", "1s"}));
  const UniqueFd service = hold(supervisor.service_pid());
  const auto stop = supervisor.begin({"stop", "chat"});
  supervisor.wait_for_state("stopping");
  supervisor.kill();
  EXPECT_EQ(stop->finish().status, 3);
  supervisor.run({"--name", "chat", "--listen", listener, "--drain", "1s", "--", fake_service()});
  EXPECT_TRUE(wait_end(service));
  supervisor.wait_for_state("stopped");
}

TEST_F(ChoiceTest, OneThatDiedAndIsNotRestartedStaysDownButForAReboot) {
  install(1, one);
  supervisor.start({.command = {one}, .run_flags = {"--no-restart"}});
  wait_until_kept();
  kill_and_wait(hold(supervisor.service_pid()));
  supervisor.wait_for_state("failed");
  ASSERT_EQ(supervisor.command({"upgrade", "--self"}).status, 0);
  EXPECT_EQ(supervisor.status().at("state"), "failed");
  reboot();
  expect_runs(1, "permanent", json());
}

// ---- the configuration ---------------------------------------------------------------------

TEST_F(ChoiceTest, ReturnsToTheConfigurationAndDoesNothingIfThatRuns) {
  start();
  const auto nothing = supervisor.command({"upgrade", "--config", "echo", "--json"});
  ASSERT_EQ(nothing.status, 0) << nothing.describe();
  EXPECT_EQ(nothing.done().at("already"), true);
  EXPECT_EQ(supervisor.status().at("generation"), 1);
  EXPECT_EQ(supervisor.status().at("configured"), true);
  upgrade(two);
  EXPECT_EQ(supervisor.status().at("configured"), false);
  const auto status = supervisor.command({"status"});
  EXPECT_NE(status.out.find("echo runs " + two + ", as it was chosen; the configuration names " +
                            one + " (handoff upgrade --config echo)"),
            std::string::npos)
      << status.out;
  const auto back = supervisor.command({"upgrade", "--config", "echo"});
  ASSERT_EQ(back.status, 0) << back.describe();
  expect_runs(1, "permanent", "2.0");
  EXPECT_EQ(supervisor.status().at("generation"), 3);
  const auto again = supervisor.command({"upgrade", "--config", "echo"});
  ASSERT_EQ(again.status, 0) << again.describe();
  EXPECT_NE(again.out.find("echo runs what the configuration names; nothing was done"),
            std::string::npos)
      << again.out;
  EXPECT_EQ(supervisor.status().at("generation"), 3);
  // What lies there is another by now.
  install(2, one);
  ASSERT_EQ(supervisor.command({"upgrade", "--config", "echo"}).status, 0);
  expect_runs(2, "provisional", "1.0");
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"upgrade", "--config", "echo", two},
        std::vector<std::string>{"upgrade", "--config", "--self"},
        std::vector<std::string>{"upgrade", "--config", "echo", "--", "-x"}}) {
    EXPECT_EQ(supervisor.command(wrong).status, 2);
  }
}

TEST_F(ChoiceTest, TheSameBytesByAnotherPathAreNotWhatTheConfigurationNames) {
  start();
  install(1, two);
  upgrade(two);
  ASSERT_EQ(supervisor.command({"upgrade", "--config", "echo"}).status, 0);
  EXPECT_EQ(supervisor.status().at("generation"), 3);
  EXPECT_EQ(supervisor.status().at("path"), one);
  EXPECT_EQ(supervisor.status().at("configured"), true);
}

// ---- a choice that can't be understood -----------------------------------------------------

TEST_F(ChoiceTest, OneThatCanNotBeReadIsToldAndTheConfigurationCounts) {
  start();
  upgrade(two);
  const std::string whole = read_file(chosen);
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string(R"({"format":99})"),
        std::string("null"), whole.substr(0, whole.size() / 2)}) {
    power_off();
    write_file(chosen, text, 0600);
    supervisor.start_again();
    expect_runs(1, "permanent", json());
    EXPECT_TRUE(supervisor.says("what was chosen is not known: " + chosen)) << text;
    // Until it is written anew, the file says what this test has written.
    wait_for_choice([&](const json& now) {
      return now.contains("release") && now.at("release").at("path") == one;
    });
  }
  power_off();
  fs::remove(chosen);
  fs::create_directory(chosen);
  supervisor.start_again();
  expect_runs(1, "permanent", json());
}

}  // namespace
}  // namespace handoff::test
