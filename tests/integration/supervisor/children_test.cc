// What the processes of a service leave: workers of a parent that has died, jobs in the background,
// a program behind a wrapper that does not exec it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "fixture.h"
#include "support/clients/sockets.h"
#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

int free_port() {
  const UniqueFd reserved = listen_on_loopback();
  return port_of(reserved.get());
}

class ChildrenTest : public SupervisorTest {
 protected:
  // A start script: does `line`, and then becomes the fake service.
  std::string script(const std::string& line) {
    const std::string path = supervisor.dir() / "start";
    write_file(path, "#!/bin/sh\n" + line + "\nexec " + fake_service() + " \"$@\"\n", 0755);
    return path;
  }
  // Leaves a process in the background, whose pid it writes.
  std::string job(const std::string& command = "sleep 1000") {
    return command + " &\necho $! > " + pid_file() + ".new && mv " + pid_file() + ".new " +
           pid_file();
  }
  std::string pid_file() const { return supervisor.dir() / "pid"; }
  pid_t written_pid() const {
    if (!wait_for_file(pid_file())) throw std::runtime_error("no pid was written");
    return std::atoi(read_file(pid_file()).c_str());
  }
  // What the status says, once that is known.
  json children() const {
    return supervisor.wait_for_status([](const json& now) { return now.at("children").is_array(); })
        .at("children");
  }
  // Two of them.
  std::vector<UniqueFd> hold_workers() const {
    const json status = supervisor.wait_for_status([](const json& now) {
      const json& children = now.at("children");
      return children.is_array() && children.size() == 1 && children.at(0).at("count") == 2;
    });
    std::vector<UniqueFd> out;
    for (const json& worker : status.at("children").at(0).at("processes")) {
      out.push_back(hold(worker.at("pid")));
    }
    return out;
  }
  void start(const std::string& line, const std::string& config = "") {
    supervisor.start({.command = {script(line)}, .name = "chat", .config = config});
  }
};

TEST_F(ChildrenTest, AJobInTheBackgroundEndsWithTheService) {
  start(job());
  const UniqueFd left = hold(written_pid());
  ASSERT_TRUE(left.valid());
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_TRUE(wait_end(left, Deadline::in({}))) << "before the stop is over";
  EXPECT_TRUE(supervisor.says("chat: sleep 1000 (pid " + read_file(pid_file()).substr(0, 1)));
}

TEST_F(ChildrenTest, AJobInTheBackgroundEndsWithTheSupervisor) {
  start(job());
  const UniqueFd left = hold(written_pid());
  EXPECT_EQ(supervisor.terminate().status, 0);
  EXPECT_TRUE(wait_end(left, Deadline::in({})));
}

// The heir may use what its donor has started.
TEST_F(ChildrenTest, AnUpgradeAndARestartLeaveThem) {
  start(job());
  const UniqueFd left = hold(written_pid());
  ASSERT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  ASSERT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  supervisor.settle();
  EXPECT_FALSE(wait_end(left, Deadline::in({})));
  const json them = children();
  ASSERT_EQ(them.size(), 3U) << them;
  EXPECT_EQ(them.at(0).at("generation"), 1);
  EXPECT_EQ(them.at(0).at("lives"), false);
  EXPECT_EQ(them.at(0).at("count"), 1);
  EXPECT_EQ(them.at(2).at("lives"), true);
  EXPECT_NE(supervisor.command({"status"}).out.find("chat: generation 1 has left 1 process: sleep"),
            std::string::npos);
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_TRUE(wait_end(left, Deadline::in({}))) << "it went with the last generation";
}

TEST_F(ChildrenTest, ACrashEndsThemBeforeTheNextStart) {
  start(job());
  const UniqueFd left = hold(written_pid());
  std::filesystem::remove(pid_file());
  ::kill(supervisor.service_pid(), SIGKILL);
  supervisor.wait_for_status(
      [](const json& now) { return now.at("state") == "running" && now.at("generation") == 2; });
  EXPECT_TRUE(wait_end(left, Deadline::in({})));
  EXPECT_FALSE(wait_end(hold(written_pid()), Deadline::in({}))) << "the new one's own";
}

TEST_F(ChildrenTest, OneThatIgnoresSigtermIsKilled) {
  start(job("sh -c 'trap : TERM; while :; do sleep 1000; done'"));
  const UniqueFd left = hold(written_pid());
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_TRUE(wait_end(left, Deadline::in({})));
  EXPECT_TRUE(supervisor.says("SIGKILL"));
}

// With a session and an environment of its own.
TEST_F(ChildrenTest, OneThatHasGoneAwayIsKnown) {
  start("setsid sh -c 'echo $$ > " + pid_file() + "; exec sleep 1000' &");
  const UniqueFd left = hold(written_pid());
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_TRUE(wait_end(left, Deadline::in({})));
}

// Each look compares all processes of the host with those of one service.
TEST_F(ChildrenTest, AnOverviewOfManyServicesDoesNotLookForThem) {
  std::string others;
  for (int i = 1; i <= 7; ++i) {
    others += "[service.s" + std::to_string(i) + "]\ncommand = [\"" + fake_service() + "\"]\n";
  }
  start(job(), others);
  ASSERT_TRUE(hold(written_pid()).valid());
  const auto children_in = [this](const std::vector<std::string>& command) {
    const json status = json::parse(supervisor.command(command).out);
    for (const json& one : status.at("services")) {
      if (one.at("name") == "chat") return one.at("children");
    }
    return json("no chat");
  };
  EXPECT_EQ(children_in({"status", "--json"}).size(), 1U) << "eight";
  write_file(supervisor.dir() / "handoff.toml", read_file(supervisor.dir() / "handoff.toml") +
                                                    "[service.s8]\ncommand = [\"" + fake_service() +
                                                    "\"]\n");
  ASSERT_EQ(supervisor.command({"reload"}).status, 0);
  EXPECT_TRUE(children_in({"status", "--json"}).is_null()) << "nine";
  EXPECT_EQ(children_in({"status", "chat", "--json"}).size(), 1U);
}

TEST_F(ChildrenTest, LeaveLeavesThem) {
  start(job(), "children = \"leave\"\n");
  const UniqueFd left = hold(written_pid());
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_FALSE(wait_end(left, Deadline::in({})));
  EXPECT_EQ(children().at(0).at("count"), 1);
  kill_and_wait(left);
}

// As nginx's: the parent opens the port, and they keep it.
TEST_F(ChildrenTest, WorkersThatOutliveTheirParentFreeItsPort) {
  supervisor.start(
      {.command = {fake_service(), "--workers", "2", "--own-port", std::to_string(free_port())},
       .name = "chat"});
  const std::vector<UniqueFd> workers = hold_workers();
  ::kill(supervisor.service_pid(), SIGKILL);
  supervisor.wait_for_status(
      [](const json& now) { return now.at("state") == "running" && now.at("generation") == 2; });
  for (const UniqueFd& worker : workers) EXPECT_TRUE(wait_end(worker, Deadline::in({})));
}

TEST_F(ChildrenTest, TheNextSupervisorKnowsWorkersWhoseParentDiedWithTheLast) {
  supervisor.start({.command = {fake_service(), "--workers", "2"}, .name = "chat"});
  const std::vector<UniqueFd> workers = hold_workers();
  const UniqueFd service = hold(supervisor.service_pid());
  supervisor.kill();
  kill_and_wait(service);
  supervisor.start_again();
  for (const UniqueFd& worker : workers) EXPECT_TRUE(wait_end(worker, Deadline::in({})));
}

// They tell nothing of themselves, and the process that has started them has gone in peace.
TEST_F(ChildrenTest, TheNextSupervisorKnowsWhatAnEarlierGenerationLeft) {
  supervisor.start({.command = {fake_service(), "--workers", "2"}, .name = "chat"});
  const std::vector<UniqueFd> workers = hold_workers();
  ASSERT_EQ(supervisor.upgrade_with({"--workers", "0"}).status, 0);
  supervisor.settle();
  for (const UniqueFd& worker : workers) EXPECT_FALSE(wait_end(worker, Deadline::in({})));
  const UniqueFd service = hold(supervisor.service_pid());
  supervisor.kill();
  kill_and_wait(service);
  supervisor.start_again();
  for (const UniqueFd& worker : workers) EXPECT_TRUE(wait_end(worker, Deadline::in({})));
}

// The process is the same, and so are its children.
TEST_F(ChildrenTest, TheSupervisorsNextProgramKnowsThem) {
  write_file(supervisor.dir() / "echo",
             "#!/bin/sh\n" + job() + "\nexec " + program("handoff-echo-1") + "\n", 0755);
  supervisor.start({.command = {supervisor.dir() / "echo"}, .name = "chat"});
  const UniqueFd left = hold(written_pid());
  ASSERT_EQ(supervisor.command({"upgrade", "--self"}).status, 0);
  supervisor.wait_for_state("running");
  EXPECT_FALSE(wait_end(left, Deadline::in({})));
  EXPECT_EQ(children().at(0).at("count"), 1);
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_TRUE(wait_end(left, Deadline::in({})));
}

// ---- what a later generation needs -----------------------------------------------------------

// Generation 1 leaves a job, which a session of generation 2 needs.
class NeededTest : public ChildrenTest {
 protected:
  void SetUp() override {
    start(job());
    const auto next = supervisor.upgrade(
        fake_service(), {"--needs", pid_file(), "--donor", donor()}, {"--drain", "10s"});
    ASSERT_EQ(next.status, 0) << next.err;
    needed = hold(written_pid());
    supervisor.settle();
  }
  virtual std::string donor() const { return "linger"; }
  // Generation 3 takes over from 2, which stays for a while, and crashes.
  void crash_the_next() {
    ASSERT_EQ(supervisor.upgrade_with({"--donor", "serve"}, {"--drain", "10s"}).status, 0);
    ::kill(supervisor.service_pid(), SIGKILL);
    supervisor.wait_for_status(
        [](const json& now) { return now.at("state") == "running" && now.at("generation") == 4; });
  }

  UniqueFd needed;
};

TEST_F(NeededTest, CountsAsTheLaterOnes) {
  const json them = children();
  ASSERT_EQ(them.size(), 1U) << them;
  EXPECT_EQ(them.at(0).at("generation"), 2);
  EXPECT_EQ(them.at(0).at("processes").at(0).at("command"), "sleep 1000");
}

TEST_F(NeededTest, GoesWithTheLastThatNeedsIt) {
  crash_the_next();
  EXPECT_FALSE(wait_end(needed, Deadline::in({}))) << "generation 2 has the session still";
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_TRUE(wait_end(needed, Deadline::in({})));
}

class SilentTest : public NeededTest {
  std::string donor() const override { return "stay"; }
};

TEST_F(SilentTest, OneThatDoesNotSayWhatItNeedsMayNeedAll) {
  crash_the_next();
  EXPECT_FALSE(wait_end(needed, Deadline::in({})));
  EXPECT_TRUE(supervisor.says("does not say what its sessions need: what others have left stays"));
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_TRUE(wait_end(needed, Deadline::in({})));
}

// ---- what is not the process that was started -----------------------------------------------

// The program behind the wrapper is a child. It is no service of this supervisor, and binds its
// address itself.
TEST_F(ChildrenTest, AWrapperWithoutExecLeavesNothingAndIsToldWhy) {
  const std::string port = std::to_string(free_port());
  write_file(
      supervisor.dir() / "wrapper",
      "#!/bin/sh\n" + program("handoff-echo-1") + " --listen tcp:127.0.0.1:" + port + "; true\n",
      0755);
  supervisor.run(
      {"--name", "chat", "--start-timeout", "300ms", "--", supervisor.dir() / "wrapper"});
  ASSERT_TRUE(supervisor.says("runs without a supervisor: HANDOFF_PID of its environment is "));
  ASSERT_TRUE(supervisor.says("a child of generation 1 opens libhandoff in its place"));
  ASSERT_TRUE(supervisor.says("let a start script `exec` it"));
  supervisor.wait_for_status([](const json& now) { return now.at("restarts") >= 2; });
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_EQ(children(), json::array());
}

TEST_F(ChildrenTest, AServiceThatDaemonisesIsToldSo) {
  write_file(supervisor.dir() / "daemon",
             "#!/bin/sh\nsetsid sleep 1000 </dev/null >/dev/null 2>&1 &\nexit 0\n", 0755);
  supervisor.run({"--name", "chat", "--no-restart", "--", supervisor.dir() / "daemon"});
  ASSERT_TRUE(supervisor.says("turn its daemon mode off"));
  const json problem = supervisor.wait_for_status([](const json& now) {
    return now.at("state") == "failed" && now.at("children") == json::array();
  });
  // The child may not have come to its exec yet.
  EXPECT_NE(problem.at("problem").at("message").get<std::string>().find("left 1 process: "),
            std::string::npos)
      << problem;
}

}  // namespace
}  // namespace handoff::test
