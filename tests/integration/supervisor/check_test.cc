// `handoff check`: all that is wrong with a configuration, and nothing is touched.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/process/small_disk.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using nlohmann::json;

class CheckTest : public SupervisorTest {
 protected:
  std::string config(const std::string& text) {
    write_file(path, text);
    return path;
  }
  std::string path = supervisor.dir() / "handoff.toml";
};

TEST_F(CheckTest, SaysSoIfNothingIsWrong) {
  config("[service.chat]\ncommand = [\"" + fake_service() +
         "\"]\nlisten = { public = \"tcp:127.0.0.1:0\", local = \"unix:" +
         (supervisor.dir() / "s") + "\" }\n");
  const Outcome fine = supervisor.command({"check", "--config", path});
  EXPECT_EQ(fine.status, 0) << fine.err;
  EXPECT_EQ(fine.out, path + ": 1 service, nothing is wrong\n");
  EXPECT_EQ(json::parse(supervisor.command({"check", "--config", path, "--json"}).out),
            (json{{"result", "done"},
                  {"file", path},
                  {"services", {"chat"}},
                  {"problems", json::array()},
                  {"notes", json::array()}}));
  EXPECT_FALSE(std::filesystem::exists(supervisor.dir() / "s"));
  EXPECT_FALSE(std::filesystem::exists(supervisor.runtime()));
}

TEST_F(CheckTest, SaysOfWhichProgramACopyWouldNotFindItsLibraries) {
  config("[service.echo]\ncommand = [\"" + program("bundled_echo") + "\"]\n");
  const Outcome fine = supervisor.command({"check", "--config", path});
  EXPECT_EQ(fine.status, 0) << fine.err;
  EXPECT_EQ(fine.out.find("note: " + path + ":2: echo: command: " + program("bundled_echo") +
                          " looks for libraries in $ORIGIN/../lib"),
            0U)
      << fine.out;
  EXPECT_NE(fine.out.find(path + ": 1 service, nothing is wrong\n"), std::string::npos);
  const json said = json::parse(supervisor.command({"check", "--config", path, "--json"}).out);
  EXPECT_EQ(said.at("result"), "done");
  EXPECT_EQ(said.at("notes").at(0).at("line"), 2);
}

TEST_F(CheckTest, SaysThatNoCopyCouldRunFromTheStateFolder) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can mount a disk";
  SmallDisk::keep_to_this_process();
  const SmallDisk disk("size=1m");
  shell("mount -o remount,noexec '" + disk.path() + "'");
  auto options = fake();
  options.environment = {{"HANDOFF_STATE_DIR", disk.path()}};
  supervisor.start(options);
  supervisor.wait_for_status([](const json& now) { return now.at("kept") == false; });
  EXPECT_TRUE(supervisor.says("mounted noexec, where no copy could run")) << supervisor.log();
  config("[service.chat]\ncommand = [\"" + fake_service() + "\"]\n");
  const Outcome fine = supervisor.command({"check", "--config", path});
  EXPECT_EQ(fine.status, 0) << fine.err;
  EXPECT_NE(fine.out.find("the state folder " + disk.path() +
                          " is on a file system that is mounted noexec"),
            std::string::npos)
      << fine.out;
}

TEST_F(CheckTest, TellsEverythingThatIsWrongAtOnce) {
  const std::string text = supervisor.dir() / "notes.txt";
  write_file(text, "no program");
  const std::string missing = supervisor.dir() / "missing";
  config(
      "[service.a]\n"  // 1
      "command = [\"" +
      missing +
      "\"]\n"  // 2
      "working_dir = \"" +
      text +
      "\"\n"  // 3
      "listen = { x = \"unix:" +
      text +
      "\", y = \"tcp:127.0.0.1:7\" }\n"  // 4
      "drian = \"1s\"\n"                 // 5
      "[service.b]\n"                    // 6
      "command = [\"" +
      text +
      "\"]\n"                                   // 7
      "listen = { z = \"tcp:127.0.0.1:7\" }\n"  // 8
      "health = { type = \"exec\", command = [\"" +
      missing +
      "\"] }\n"  // 9
      "releases_dir = \"" +
      missing + "/releases\"\n");  // 10
  const Outcome outcome = supervisor.command({"check", "--config", path});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  const std::string at = "handoff: " + path;
  const std::string none = ": No such file or directory\n";
  EXPECT_EQ(outcome.err,
            at + ":2: a: command: can't open " + missing + none + at +
                ":3: a: working_dir: " + text + " is no folder\n" + at +
                ":4: a: listen: x: binding unix:" + text + ": " + text +
                " exists and is no socket: it is left alone; remove it or choose another path\n" +
                at + ":5: unknown key \"drian\" in [service.a]; did you mean \"drain\"?\n" + at +
                ":7: b: command: " + text +
                " is no executable: it has no permission to execute (chmod +x)\n" + at +
                ":8: b: listen: tcp:127.0.0.1:7 is that of a/y, too\n" + at +
                ":9: b: health: can't open " + missing + none + at +
                ":10: b: releases_dir: " + missing + none);
  const Outcome programs = supervisor.command({"check", "--config", path, "--json"});
  EXPECT_EQ(programs.status, 1);
  const json answer = json::parse(programs.out);
  EXPECT_EQ(answer.at("result"), "failed");
  ASSERT_EQ(answer.at("problems").size(), 8U);
  EXPECT_EQ(answer.at("problems").at(3).at("line"), 5);
}

TEST_F(CheckTest, AFileThatCantBeReadOrParsedIsNamed) {
  EXPECT_EQ(supervisor.command({"check", "--config", path}).err,
            "handoff: can't read the config " + path + ": No such file or directory\n");
  const std::string folder = supervisor.dir().path();
  const Outcome outcome = supervisor.command({"check", "--config", folder});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "handoff: can't read the config " + folder + ": it is a folder\n");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const Outcome fifo = supervisor.command({"check", "--config", path});
  EXPECT_EQ(fifo.status, 1);
  EXPECT_EQ(fifo.err, "handoff: can't read the config " + path +
                          ": it is a FIFO: put a regular file there\n");
  ASSERT_EQ(::unlink(path.c_str()), 0);
  config("");
  EXPECT_NE(supervisor.command({"check", "--config", path}).err.find("no service in it"),
            std::string::npos);
  config("[service.chat\n");
  EXPECT_NE(supervisor.command({"check", "--config", path}).err.find(path + ":1: "),
            std::string::npos);
}

TEST_F(CheckTest, WhatTheRunningSupervisorHoldsIsNoProblem) {
  const std::string socket = supervisor.dir() / "s";
  auto options = fake();
  options.listeners = {"local=unix:" + socket};
  supervisor.start(options);
  config("[service.chat]\ncommand = [\"" + fake_service() +
         "\"]\nlisten = { local = \"unix:" + socket + "\" }\n");
  EXPECT_EQ(supervisor.command({"check", "--config", path}).status, 0);
  EXPECT_EQ(supervisor.status().at("state"), "running");
  Supervisor another;
  const Outcome foreign = another.command({"check", "--config", path});
  EXPECT_EQ(foreign.status, 1);
  EXPECT_NE(foreign.err.find(":3: chat: listen: local: binding unix:" + socket + ": " + socket +
                             " is in use"),
            std::string::npos)
      << foreign.err;
}

}  // namespace
}  // namespace handoff::test
