// A config that can't be understood any more: what it said when it was in force last stands in for
// it, and everybody is told.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class BadConfigTest : public SupervisorTest {
 protected:
  static std::string service(const std::string& more = "") {
    return "[service.chat]\ncommand = [\"" + program("handoff-echo-1") +
           "\", \"--name\", \"chat\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n" + more;
  }
  void run(const std::string& file) { supervisor.run({"--config", file}, environment); }
  void start() {
    write_file(config, service());
    run(config);
    supervisor.wait_for_state("running");
  }
  json config_in_status() {
    return json::parse(supervisor.command({"status", "--json"}).out).at("config");
  }

  Environment environment;
  const std::string config = supervisor.dir() / "handoff.toml";
  const std::string why = config + ":4: unknown key \"drian\" in [service.chat]";
};

TEST_F(BadConfigTest, LivingServicesAreAdoptedByTheOneBefore) {
  start();
  EXPECT_EQ(config_in_status(), (json{{"file", config}, {"problem", nullptr}}));
  const json before = supervisor.status();
  supervisor.kill();
  write_file(config, service("drian = \"1s\"\n"));
  run(config);
  supervisor.wait_for_state("running");
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_NE(supervisor.log().find(why), std::string::npos);
  EXPECT_NE(supervisor.log().find("in force last: mend it, and handoff reload"), std::string::npos);
  EXPECT_EQ(config_in_status().at("problem").get<std::string>().substr(0, why.size()), why);
  const Outcome table = supervisor.command({"status"});
  EXPECT_NE(table.out.find("! services run by what " + config), std::string::npos) << table.out;
  const Outcome reload = supervisor.command({"reload"});
  EXPECT_EQ(reload.status, 1);
  EXPECT_NE(reload.err.find("services run by what it said when it was in force last"),
            std::string::npos)
      << reload.err;
  write_file(config, service("drain = \"1s\"\n"));
  EXPECT_EQ(supervisor.command({"reload"}).status, 0);
  EXPECT_TRUE(config_in_status().at("problem").is_null());
  // What was reloaded is what stands in from now on.
  supervisor.kill();
  fs::remove(config);
  run(config);
  supervisor.wait_for_state("running");
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  write_file(config, service("drain = \"2s\"\n"));
  const Outcome again = supervisor.command({"reload"});
  EXPECT_NE(again.out.find("chat: drain: 1.00 s -> 2.00 s"), std::string::npos) << again.describe();
}

TEST_F(BadConfigTest, AlsoAfterAnUpgradeOfTheSupervisorThatItDidNotStop) {
  start();
  const json before = supervisor.status();
  write_file(config, service("drian = \"1s\"\n"));
  const Outcome self = supervisor.command({"upgrade", "--self"});
  EXPECT_EQ(self.status, 1) << "it is tried with the file as it is";
  EXPECT_NE(self.err.find(why), std::string::npos) << self.err;
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
}

// By somebody who cleans up, with the state folder and without it; also what stands in already.
TEST_F(BadConfigTest, WhatIsKeptAndRemovedIsKeptAgain) {
  const std::string state = supervisor.dir() / "state";
  environment = {{"HANDOFF_STATE_DIR", state}};
  start();
  const json before = supervisor.status();
  const std::string kept = state + "/config.kept";
  const std::string text = read_file(kept);
  const auto kept_again = [&] {
    // What is kept of the release would be in the way of who removes the folder.
    supervisor.wait_for_status([](const json& now) { return now.at("kept") == true; });
    EXPECT_TRUE(supervisor.eventually([&] { return read_file(kept) == text; }));
  };
  kept_again();
  fs::remove(kept);
  kept_again();
  EXPECT_TRUE(supervisor.says(kept + " is not there any more as it was kept: it is kept again"));
  write_file(kept, "{}");
  kept_again();
  const auto break_and_replace = [&] {
    supervisor.kill();
    write_file(config, service("drian = \"1s\"\n"));
    run(config);
    supervisor.wait_for_state("running");
    EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  };
  fs::remove_all(state);
  kept_again();
  break_and_replace();
  fs::remove_all(state);
  kept_again();
  break_and_replace();
}

TEST_F(BadConfigTest, OneThatNeverWasInForceIsRefused) {
  write_file(config, service("drian = \"1s\"\n"));
  run(config);
  EXPECT_EQ(supervisor.process().finish().status, 2);
}

// Nobody writes to it: whoever waits for its words waits for good.
TEST_F(BadConfigTest, AFifoInItsPlaceHoldsNobodyUp) {
  start();
  const json before = supervisor.status();
  fs::remove(config);
  ASSERT_EQ(::mkfifo(config.c_str(), 0600), 0);
  const std::string fifo = "can't read the config " + config + ": it is a FIFO";
  const Outcome reload = supervisor.command({"reload"});
  EXPECT_EQ(reload.status, 1);
  EXPECT_NE(reload.err.find(fifo), std::string::npos) << reload.err;
  supervisor.process().signal(SIGHUP);
  EXPECT_TRUE(supervisor.says("reload: " + fifo));
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  const Outcome self = supervisor.command({"upgrade", "--self"});
  EXPECT_EQ(self.status, 1);
  EXPECT_NE(self.err.find(fifo), std::string::npos) << self.err;
  // What was in force last stands in for it.
  supervisor.kill();
  run(config);
  supervisor.wait_for_state("running");
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_EQ(config_in_status().at("problem").get<std::string>().substr(0, fifo.size()), fifo);
  EXPECT_EQ(supervisor.terminate().status, 0);
}

TEST_F(BadConfigTest, AFifoThatNeverWasAConfigIsRefused) {
  ASSERT_EQ(::mkfifo(config.c_str(), 0600), 0);
  run(config);
  const handoff::test::Outcome refused = supervisor.process().finish();
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("it is a FIFO: put a regular file there"), std::string::npos)
      << refused.err;
}

TEST_F(BadConfigTest, AnotherFileStandsInForNone) {
  start();
  EXPECT_EQ(supervisor.terminate().status, 0);
  const std::string other = supervisor.dir() / "other.toml";
  write_file(other, service("drian = \"1s\"\n"));
  run(other);
  EXPECT_EQ(supervisor.process().finish().status, 2);
  EXPECT_NE(supervisor.log().find("other.toml:4"), std::string::npos);
}

}  // namespace
}  // namespace handoff::test
