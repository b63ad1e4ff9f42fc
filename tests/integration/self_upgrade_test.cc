// `handoff upgrade --self` replaces the supervisor in its own process, without touching a service;
// or it fails, and nothing has changed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "support/clients/echo_swarm.h"
#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string echo(int version) { return program("handoff-echo-" + std::to_string(version)); }

class SelfUpgradeTest : public ::testing::Test {
 protected:
  // Orphans of a dead supervisor become children of the test, which must reap them: a zombie would
  // still count as a process.
  static void SetUpTestSuite() { ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }

  // Everything that must be as before when the upgrade is over.
  json picture() {
    supervisor_.settle();
    json out = supervisor_.status();
    out.erase("sessions");
    return out;
  }
  Supervisor supervisor_{{.command = {echo(1)}}};
  TempDir dir_;
};

TEST_F(SelfUpgradeTest, ReplacesTheSupervisorInItsOwnProcessAndTouchesNobody) {
  const pid_t pid = supervisor_.pid();
  const json before = picture();
  EchoSwarm swarm({.port = supervisor_.port(), .residents = 100, .visitors_per_second = 200});
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  const std::size_t files = supervisor_.settled_files().size();
  const std::string copy = dir_ / "handoff-new";
  std::filesystem::copy_file(program("handoff"), copy);
  std::filesystem::copy_file(program("handoff-unpack"), dir_ / "handoff-unpack");
  for (int i = 0; i < 3; ++i) {
    const auto self = supervisor_.command({"upgrade", "--self", copy, "--json"});
    ASSERT_EQ(self.status, 0) << self.describe();
    EXPECT_EQ(self.done().at("pid"), pid);
    EXPECT_EQ(self.done().at("services"), (json{{{"name", "echo"}, {"state", "running"}}}));
    EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe"), copy);
    EXPECT_EQ(picture(), before);
    EXPECT_EQ(supervisor_.settled_files().size(), files);
  }
  const auto upgrade = supervisor_.upgrade(echo(2));
  EXPECT_EQ(upgrade.status, 0) << upgrade.describe();
  ASSERT_TRUE(swarm.wait_until_each_answered_by("2", Deadline::in(30s)));
  const auto report = swarm.stop(Deadline::in(30s));
  EXPECT_TRUE(report.flawless()) << report.describe();
  EXPECT_TRUE(supervisor_.eventually([&] { return children_of(pid).size() == 1; }))
      << "the old release was reaped by the one that took over";
}

TEST_F(SelfUpgradeTest, OneThatFailsItsCheckChangesNothing) {
  const json before = picture();
  const std::size_t files = supervisor_.settled_files().size();
  const std::string text = dir_ / "text";
  write_file(text, "no program at all\n", 0755);
  const std::string script = dir_ / "script";
  write_file(script, "#!/bin/sh\nexit 0\n", 0755);
  for (const auto& [binary, why] :
       std::map<std::string, std::string>{{"/bin/false", "exited with status 1 when it was tried"},
                                          {"/bin/true", "does not say that it is a handoff"},
                                          {"/bin/echo", "does not say that it is a handoff"},
                                          {echo(1), "when it was tried"},
                                          {text, "is no program for this machine"},
                                          {script, "is a script"},
                                          {"/nowhere/handoff", "No such file"}}) {
    const auto self = supervisor_.command({"upgrade", "--self", binary, "--json"});
    EXPECT_EQ(self.status, 1) << self.describe();
    EXPECT_NE(self.done().at("error").at("message").get<std::string>().find(why), std::string::npos)
        << self.describe();
    EXPECT_EQ(picture(), before);
    EXPECT_EQ(supervisor_.settled_files().size(), files);
  }
}

// A shell as the successor runs the file "run" of the folder that it is in, whatever that does.
TEST_F(SelfUpgradeTest, OneThatHangsOrIsKilledInItsTrialChangesNothing) {
  Supervisor supervisor(
      {.command = {echo(1)},
       .wrapper = {"/bin/bash", "-c", "cd " + dir_.path() + " && exec \"$@\"", "bash"}});
  supervisor.settle();
  const json before = supervisor.status();
  for (const auto& [does, why] : std::map<std::string, std::string>{
           {"exec yes", "it did not end its check within"},
           {"kill -KILL $$", "was killed by SIGKILL when it was tried"}}) {
    write_file(dir_ / "run", does + "\n");
    const auto self = supervisor.command({"upgrade", "--self", "/bin/bash"});
    EXPECT_EQ(self.status, 1) << self.describe();
    EXPECT_NE(self.err.find(why), std::string::npos) << self.err;
    json after = supervisor.status();
    after["sessions"] = before.at("sessions");
    EXPECT_EQ(after, before);
    EXPECT_TRUE(supervisor.eventually([&] { return children_of(supervisor.pid()).size() == 1; }));
  }
}

// What the supervisor knows is right, whatever the file says by now.
TEST_F(SelfUpgradeTest, AStateFileThatSomebodyHasWrittenToIsNoHindrance) {
  const json before = picture();
  const std::string state = supervisor_.runtime() + "/state.json";
  for (const char* text : {"{", "", "[]"}) {
    write_file(state, text, 0600);
    const auto self = supervisor_.command({"upgrade", "--self"});
    EXPECT_EQ(self.status, 0) << text << "\n" << self.describe();
    EXPECT_EQ(picture(), before) << text;
    EXPECT_TRUE(json::parse(read_file(state)).contains("services")) << text;
  }
}

// All that it will need is opened: what is missing is found while there is a supervisor left.
TEST_F(SelfUpgradeTest, OneWithoutItsUnpackerChangesNothing) {
  const std::string copy = dir_ / "handoff-new";
  std::filesystem::copy_file(program("handoff"), copy);
  const json before = picture();
  const auto self = supervisor_.command({"upgrade", "--self", copy});
  EXPECT_EQ(self.status, 1) << self.describe();
  EXPECT_NE(self.err.find("handoff-unpack"), std::string::npos) << self.err;
  EXPECT_EQ(picture(), before);
}

// There is no supervisor to go back to: a history that was tampered with refuses upgrades, and
// nothing else.
TEST_F(SelfUpgradeTest, AfterTheExecNothingButTheWholeIsFatal) {
  const json before = picture();
  const std::string config = dir_ / "handoff.toml";
  write_file(config, "history = \"required\"\n[service.echo]\ncommand = [\"" + echo(1) +
                         "\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n");
  Supervisor supervisor(
      {.environment = {{"HANDOFF_FAILPOINT", "supervisor.self.before=delay:1500"}},
       .file = config});
  LineClient client(supervisor.port());
  const auto self = supervisor.begin({"upgrade", "--self"});
  ASSERT_TRUE(supervisor.says("takes this process over"));
  const std::string history = supervisor.runtime() + "/history.jsonl";
  std::filesystem::rename(history, history + ".moved");
  std::filesystem::create_symlink(history + ".moved", history);
  EXPECT_EQ(self->finish().status, 0) << supervisor.log();
  EXPECT_EQ(client.ask("hello"), "1 1 hello");
  EXPECT_EQ(supervisor.status().at("state"), "running");
  EXPECT_EQ(supervisor.upgrade(echo(2)).done().at("error").at("code"), "history");
}

TEST_F(SelfUpgradeTest, AListenerThatNobodyServesKeepsItsQueue) {
  const int port = supervisor_.port();
  ASSERT_EQ(supervisor_.command({"stop", "echo"}).status, 0);
  LineClient waiting(port);
  waiting.say("patience");
  ASSERT_EQ(supervisor_.command({"upgrade", "--self"}).status, 0);
  EXPECT_EQ(supervisor_.status().at("state"), "stopped");
  ASSERT_EQ(supervisor_.command({"restart", "echo"}).status, 0);
  EXPECT_EQ(waiting.next(), "1 1 patience");
}

TEST_F(SelfUpgradeTest, ASupervisorThatDiesOnItsWayIsLikeAnyThatDies) {
  Supervisor supervisor({.command = {echo(1)},
                         .environment = {{"HANDOFF_FAILPOINT", "supervisor.self.before=kill"}}});
  LineClient client(supervisor.port());
  EXPECT_EQ(supervisor.command({"upgrade", "--self"}).status, 3);
  supervisor.kill();  // it is dead already; this makes the object know
  supervisor.start_again({});
  EXPECT_EQ(client.ask("hello"), "1 1 hello");
  EXPECT_EQ(supervisor.status().at("generation"), 1);
}

TEST_F(SelfUpgradeTest, OneThatCanNotBeExecutedChangesNothing) {
  Supervisor supervisor(
      {.command = {echo(1)},
       .environment = {{"HANDOFF_FAILPOINT", "supervisor.self.before=error:ENOMEM"}}});
  const std::size_t files = supervisor.settled_files().size();
  const auto self = supervisor.command({"upgrade", "--self"});
  EXPECT_EQ(self.status, 1) << self.describe();
  EXPECT_NE(self.err.find("can't be executed: Cannot allocate memory"), std::string::npos);
  EXPECT_EQ(supervisor.upgrade(echo(2)).status, 0);
  const auto after = supervisor.settled_files();
  EXPECT_EQ(after.size(), files + 1)
      << "the release to go back to; open are " << testing::PrintToString(after);
}

TEST_F(SelfUpgradeTest, IsRefusedWhileAServiceIsInAHandoff) {
  Supervisor supervisor({.command = {echo(1)},
                         .environment = {{"HANDOFF_FAILPOINT", "heir.hello.received=delay:2000"}}});
  std::thread upgrade([&] { EXPECT_EQ(supervisor.upgrade(echo(2)).status, 0); });
  supervisor.wait_for_state("upgrading");
  const auto self = supervisor.command({"upgrade", "--self", "--json"});
  EXPECT_EQ(self.status, 1) << self.describe();
  EXPECT_EQ(self.done().at("error").at("code"), "busy");
  upgrade.join();
}

}  // namespace
}  // namespace handoff::test
