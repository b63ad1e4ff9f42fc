// A wrapper whose bytes are the same while the program behind it is another: what was opened is
// what runs, and what is another release is never told to be the one that ran.
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class BehindTest : public SupervisorTest {
 protected:
  // What a dead supervisor leaves is ours to reap: a zombie's fds are closed, but it is there.
  static void SetUpTestSuite() { ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }
  void SetUp() override { fs::create_directory(supervisor.dir() / "app"); }

  // As a package does: another file by that name.
  static void install(int version, const std::string& path) {
    fs::copy_file(program("handoff-echo-" + std::to_string(version)), path + ".new",
                  fs::copy_options::overwrite_existing);
    fs::rename(path + ".new", path);
  }
  void start_by(const std::string& words, const std::string& config = "probation = \"1h\"\n") {
    install(1, real);
    write_file(wrapper, "#!/bin/sh\nexec " + words + " \"$@\"\n", 0755);
    supervisor.start({.command = {wrapper}, .config = config});
    wait_until_kept();
  }
  void start_by_its_own_path() { start_by("\"$(dirname \"$0\")/real\""); }
  void start_by_a_fixed_path() { start_by(real); }
  void wait_until_kept() {
    supervisor.wait_for_status([](const json& now) { return now.at("kept") == true; });
  }
  void kill_service() { kill_and_wait(hold(supervisor.service_pid())); }
  json crash() {
    const json before = supervisor.status();
    kill_service();
    return supervisor.wait_for_status([&](const json& now) {
      return now.at("state") == "running" && now.at("generation") != before.at("generation");
    });
  }
  void power_off() {
    const json status = supervisor.status();
    supervisor.kill();
    kill_and_wait(hold(status.at("pid")));
    const std::string path = supervisor.runtime() + "/state.json";
    json state = json::parse(read_file(path));
    state["boot"] = "another";
    write_file(path, state.dump(), 0600);
  }
  void upgrade() {
    const auto done = supervisor.upgrade("");
    ASSERT_EQ(done.status, 0) << done.describe();
    EXPECT_EQ(done.done().at("from").at("release"), "1.0");
    EXPECT_EQ(done.done().at("to").at("release"), "2.0");
    EXPECT_NE(done.done().at("from").at("digest"), done.done().at("to").at("digest"));
    wait_until_kept();
    supervisor.settle();
  }
  // What it says of itself, and what it is.
  void expect_runs(int version) {
    const std::string text = std::to_string(version);
    EXPECT_EQ(supervisor.status().at("release"), text + ".0");
    const std::string answer = LineClient(supervisor.port()).ask("a");
    EXPECT_NE(answer.find(" " + text + " a"), std::string::npos) << answer;
  }
  void expect_standing(const std::string& standing, const json& back) {
    const json status = supervisor.status();
    EXPECT_EQ(status.at("standing"), standing) << status;
    const json& found = status.at("back");
    EXPECT_EQ(found.is_null() ? json() : found.at("release"), back) << status;
  }
  json last(const std::string& event) {
    const auto all = supervisor.history(event);
    EXPECT_FALSE(all.empty()) << event;
    return all.empty() ? json() : all.back();
  }
  bool drifts() {
    return supervisor.eventually([&] { return supervisor.status().at("drift") == true; });
  }

  std::string wrapper = supervisor.dir() / "app/run";
  std::string real = supervisor.dir() / "app/real";
};

// ---- found by the wrapper's own path -------------------------------------------------------

TEST_F(BehindTest, AnotherProgramBehindItIsANewReleaseOnProbationThatIsGoneBackFrom) {
  start_by_its_own_path();
  const json before = supervisor.status();
  install(2, real);
  EXPECT_TRUE(drifts());
  upgrade();
  expect_runs(2);
  expect_standing("provisional", "1.0");
  EXPECT_EQ(supervisor.status().at("drift"), false);
  EXPECT_EQ(supervisor.status().at("back").at("digest"), before.at("digest"));
  kill_service();
  supervisor.wait_for_status(
      [](const json& now) { return now.at("state") == "running" && now.at("release") == "1.0"; });
  expect_runs(1);
  expect_standing("permanent", json());
  EXPECT_EQ(supervisor.status().at("digest"), before.at("digest"));
  EXPECT_TRUE(supervisor.history("other_release").empty());
}

TEST_F(BehindTest, ARollbackRunsTheOldProgramAndLosesNobody) {
  start_by_its_own_path();
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  install(2, real);
  upgrade();
  EXPECT_EQ(client.ask("b"), "2 2 b");
  const auto back = supervisor.command({"rollback", "echo"});
  ASSERT_EQ(back.status, 0) << back.describe();
  EXPECT_EQ(client.ask("c"), "3 1 c");
  expect_runs(1);
}

TEST_F(BehindTest, ACrashRunsTheProgramThatRanAlsoUnderTheNextSupervisor) {
  start_by_its_own_path();
  const json before = supervisor.status();
  install(2, real);
  crash();
  expect_runs(1);
  EXPECT_EQ(supervisor.status().at("digest"), before.at("digest"));
  const auto self = supervisor.command({"upgrade", "--self"});
  ASSERT_EQ(self.status, 0) << self.describe();
  crash();
  expect_runs(1);
  supervisor.kill();
  supervisor.start_again();
  crash();
  expect_runs(1);
  expect_standing("permanent", json());
  EXPECT_EQ(supervisor.status().at("digest"), before.at("digest"));
}

TEST_F(BehindTest, TheNextSupervisorGoesOnWithItsProbation) {
  start_by_its_own_path();
  install(2, real);
  upgrade();
  ASSERT_EQ(supervisor.command({"upgrade", "--self"}).status, 0);
  expect_runs(2);
  expect_standing("provisional", "1.0");
  const auto back = supervisor.command({"rollback", "echo"});
  ASSERT_EQ(back.status, 0) << back.describe();
  expect_runs(1);
}

TEST_F(BehindTest, AfterARebootWhatLiesThereCountsAndIsOnProbation) {
  start_by_its_own_path();
  install(2, real);
  power_off();
  supervisor.start_again();
  expect_runs(2);
  expect_standing("provisional", "1.0");
}

TEST_F(BehindTest, TheSameProgramBehindItIsTheSameRelease) {
  start_by_its_own_path();
  const json before = supervisor.status();
  EXPECT_EQ(before.at("drift"), false);
  install(1, real);  // another file of the same bytes
  const auto config = supervisor.command({"upgrade", "--config", "echo", "--json"});
  ASSERT_EQ(config.status, 0) << config.describe();
  EXPECT_EQ(config.done().at("already"), true);
  ASSERT_EQ(supervisor.upgrade("").status, 0);
  expect_standing("permanent", json());
  EXPECT_EQ(supervisor.status().at("digest"), before.at("digest"));
  power_off();
  supervisor.start_again();
  expect_standing("permanent", json());
  EXPECT_EQ(supervisor.status().at("digest"), before.at("digest"));
}

TEST_F(BehindTest, TheConfigurationNamesAnotherReleaseWhenTheProgramBehindItIsAnother) {
  start_by_its_own_path();
  install(2, real);
  const auto config = supervisor.command({"upgrade", "--config", "echo", "--json"});
  ASSERT_EQ(config.status, 0) << config.describe();
  EXPECT_FALSE(config.done().contains("already")) << config.out;
  expect_runs(2);
  expect_standing("provisional", "1.0");
}

TEST_F(BehindTest, ALinkThatLeadsElsewhereIsAnotherRelease) {
  for (const int version : {1, 2}) {
    const std::string folder = supervisor.dir() / "v" + std::to_string(version);
    fs::create_directories(folder + "/bin");
    fs::create_directories(folder + "/lib");
    install(version, folder + "/lib/real");
    write_file(folder + "/bin/run", "#!/bin/sh\nexec \"$(dirname \"$0\")/../lib/real\" \"$@\"\n",
               0755);
  }
  const std::string link = supervisor.dir() / "current";
  fs::create_directory_symlink("v1", link);
  supervisor.start({.command = {link + "/bin/run"}, .config = "probation = \"1h\"\n"});
  wait_until_kept();
  fs::create_directory_symlink("v2", link + ".new");
  fs::rename(link + ".new", link);
  EXPECT_TRUE(drifts());
  ASSERT_EQ(supervisor.command({"upgrade", "--config", "echo"}).status, 0);
  expect_runs(2);
  expect_standing("provisional", "1.0");
  const auto back = supervisor.command({"rollback", "echo"});
  ASSERT_EQ(back.status, 0) << back.describe();
  expect_runs(1);
}

TEST_F(BehindTest, ACompiledLauncherIsAWrapper) {
  install(1, real);
  fs::copy_file(program("launcher"), wrapper);
  supervisor.start({.command = {wrapper}, .config = "probation = \"1h\"\n"});
  wait_until_kept();
  install(2, real);
  EXPECT_TRUE(drifts());
  crash();
  expect_runs(1);
  upgrade();
  expect_runs(2);
  expect_standing("provisional", "1.0");
}

TEST_F(BehindTest, WhatTheConfigurationLeavesOutIsNoPartOfIt) {
  start_by("\"$(dirname \"$0\")/real\"", "files = [\"!" + real + "\"]\n");
  const json before = supervisor.status();
  install(2, real);
  EXPECT_EQ(supervisor.status().at("drift"), false);
  ASSERT_EQ(supervisor.upgrade("").status, 0);
  EXPECT_EQ(supervisor.status().at("digest"), before.at("digest"));
  EXPECT_EQ(supervisor.status().at("release"), "2.0");
}

TEST_F(BehindTest, TheProgramBehindItIsWatched) {
  install(1, real);
  write_file(wrapper, "#!/bin/sh\nexec \"$(dirname \"$0\")/real\" \"$@\"\n", 0755);
  supervisor.start({.command = {wrapper}, .run_flags = {"--watch", "--settle", "50ms"}});
  ASSERT_TRUE(supervisor.says("watching " + real)) << supervisor.log();
  install(2, real);
  supervisor.wait_for_status(
      [](const json& now) { return now.at("state") == "running" && now.at("release") == "2.0"; });
  expect_runs(2);
}

TEST_F(BehindTest, ItIsKnownAgainWithoutAStateFile) {
  start_by_its_own_path();
  const json before = supervisor.status();
  supervisor.kill();
  fs::remove(supervisor.runtime() + "/state.json");
  supervisor.start_again();
  EXPECT_EQ(supervisor.status().at("digest"), before.at("digest"));
  EXPECT_EQ(supervisor.status().at("path"), wrapper);
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
}

// ---- found by a fixed path -----------------------------------------------------------------

TEST_F(BehindTest, ARollbackThatWouldRunTheNewProgramIsRefused) {
  start_by_a_fixed_path();
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  install(2, real);
  upgrade();
  expect_standing("provisional", "1.0");
  const auto back = supervisor.command({"rollback", "echo", "--json"});
  EXPECT_EQ(back.status, 1) << back.describe();
  const json error = back.done().at("error");
  EXPECT_EQ(error.at("code"), "other_release") << error;
  EXPECT_EQ(error.at("message"),
            "what was release 1.0 executes " + real +
                ", another file than it did, and says that it is release 2.0. Give each release a "
                "path of its own, or let its wrapper find its program by its own path ($(dirname "
                "\"$0\"))");
  EXPECT_EQ(client.ask("b"), "2 2 b") << "nobody was touched";
  expect_runs(2);
  expect_standing("provisional", "1.0");
  EXPECT_EQ(last("upgrade").at("result"), "failed");
  // With the old program in its place it is that release again.
  install(1, real);
  ASSERT_EQ(supervisor.command({"rollback", "echo"}).status, 0);
  EXPECT_EQ(client.ask("c"), "3 1 c");
  expect_runs(1);
}

TEST_F(BehindTest, OneThatIsNotWellStaysWhereNobodyIsThereToGoBackTo) {
  const std::string omen = supervisor.dir() / "omen";
  start_by(real,
           "probation = \"1h\"\nhealth = { type = \"exec\", command = [\"test\", \"!\", "
           "\"-e\", \"" +
               omen + "\"], interval = \"20ms\", failures = 2 }\n");
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  install(2, real);
  upgrade();
  write_file(omen, "");
  const json status =
      supervisor.wait_for_status([](const json& now) { return now.at("standing") == "permanent"; });
  EXPECT_EQ(status.at("release"), "2.0");
  EXPECT_TRUE(status.at("back").is_null()) << status;
  EXPECT_EQ(client.ask("b"), "2 2 b") << "nobody was touched";
  EXPECT_TRUE(supervisor.says("it can't go back, so the release that runs stays"));
  const json record = last("upgrade");
  EXPECT_EQ(record.at("by"), "probation") << record;
  EXPECT_EQ(record.at("error").at("code"), "other_release") << record;
  EXPECT_NE(record.at("error").at("message").get<std::string>().find("stays"), std::string::npos);
}

TEST_F(BehindTest, ARestartThatWouldRunTheNewProgramIsRefused) {
  start_by_a_fixed_path();
  install(2, real);
  const auto restart = supervisor.command({"restart", "echo", "--json"});
  EXPECT_EQ(restart.status, 1) << restart.describe();
  EXPECT_EQ(restart.done().at("error").at("code"), "other_release");
  expect_runs(1);
  upgrade();
  expect_runs(2);
}

TEST_F(BehindTest, ACrashStartsWhatThereIsAndSaysThatItIsAnother) {
  start_by_a_fixed_path();
  const json before = supervisor.status();
  install(2, real);
  crash();
  expect_runs(2);
  const json after = supervisor.status();
  EXPECT_NE(after.at("digest"), before.at("digest"));
  EXPECT_EQ(after.at("standing"), "permanent");
  EXPECT_EQ(after.at("drift"), false) << "that is what runs";
  EXPECT_TRUE(supervisor.says("what was release 1.0 executes " + real)) << supervisor.log();
  const auto records = supervisor.history("other_release");
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].at("from").at("release"), "1.0") << records[0];
  EXPECT_EQ(records[0].at("to").at("release"), "2.0") << records[0];
  wait_until_kept();
  crash();
  expect_runs(2);
  EXPECT_EQ(supervisor.history("other_release").size(), 1U) << "it is what ran";
  supervisor.kill();
  supervisor.start_again();
  expect_runs(2);
}

TEST_F(BehindTest, ADeathOnProbationStartsWhatThereIsAndSaysThatItIsAnother) {
  start_by_a_fixed_path();
  install(2, real);
  upgrade();
  kill_service();
  const json status = supervisor.wait_for_status([](const json& now) {
    return now.at("state") == "running" && now.at("generation").get<int>() > 2;
  });
  expect_runs(2);
  EXPECT_EQ(supervisor.history("other_release").size(), 1U);
  const json record = last("went_back");
  EXPECT_EQ(record.at("to").at("release"), "2.0") << record;
}

}  // namespace
}  // namespace handoff::test
