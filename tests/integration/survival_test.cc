// The supervisor is no single point of failure: killed, it takes nobody with it, and the next one
// goes on where it was. How an upgrade that was under way has ended is told afterwards.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "echo_swarm.h"
#include "footprint.h"
#include "line_client.h"
#include "proc.h"
#include "programs.h"
#include "supervisor.h"
#include "temp_dir.h"

namespace test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string echo(int version) { return program("handoff-echo-" + std::to_string(version)); }

class SurvivalTest : public ::testing::Test {
 protected:
  // What a dead supervisor leaves is ours to reap: a zombie's fds are closed, but it is there.
  static void SetUpTestSuite() { ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }

  // A record of the history that says how an upgrade ended.
  static std::vector<json> upgrades(const Supervisor& supervisor) {
    std::vector<json> out;
    for (const json& record : supervisor.command({"history", "--json"}).events) {
      if (record.value("event", "") == "upgrade") out.push_back(record);
    }
    return out;
  }
};

TEST_F(SurvivalTest, ServicesServeOnAndTheNextSupervisorAdoptsThem) {
  Supervisor supervisor({.command = {echo(1)}});
  ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
  const json before = supervisor.status();
  const auto files = open_files(supervisor.service_pid());
  EchoSwarm swarm({.port = supervisor.port(), .residents = 100, .visitors_per_second = 100});
  ASSERT_TRUE(swarm.wait_until_each_answered_by("2", Deadline::in(30s)));
  for (int i = 0; i < 3; ++i) {
    supervisor.kill();
    ASSERT_TRUE(swarm.wait_until_each_answered_again(Deadline::in(30s)));
    EXPECT_EQ(supervisor.command({"status"}).status, 3);
    supervisor.start_again();
    const json after = supervisor.status();
    for (const char* same : {"pid", "generation", "release", "digest", "listeners", "path", "since",
                             "restarts", "last_upgrade"}) {
      EXPECT_EQ(after.at(same), before.at(same)) << same;
    }
  }
  // It can do all that the first one could, also start the service anew on the same listeners.
  const auto upgrade = supervisor.upgrade(echo(1));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("to").at("generation"), 3);
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  EXPECT_TRUE(swarm.stop(Deadline::in(30s)).flawless());
  const int port = supervisor.port();
  kill_and_wait(hold(supervisor.service_pid()), Deadline::in(10s));
  ASSERT_TRUE(eventually([&] { return supervisor.status().value("state", "") == "running"; }));
  LineClient client(port);
  client.say("hello");
  EXPECT_EQ(client.next(), "1 1 hello");
  EXPECT_EQ(supervisor.status().at("generation"), 4);
}

TEST_F(SurvivalTest, AReturnLeavesNoFdBehind) {
  Supervisor supervisor({.command = {echo(1)}});
  const auto service = open_files(supervisor.service_pid()).size();
  supervisor.kill();
  supervisor.start_again();
  const std::size_t adopted = settled_files(supervisor).size();
  for (int i = 0; i < 3; ++i) {
    supervisor.kill();
    supervisor.start_again();
    EXPECT_EQ(open_files(supervisor.service_pid()).size(), service);
    EXPECT_TRUE(eventually([&] { return settled_files(supervisor).size() == adopted; }));
  }
}

// `handoff run 2>&1 | logger`, and both are gone: what the service writes then is SIGPIPE.
TEST_F(SurvivalTest, AServiceWhoseOutputNobodyReadsAnyMoreLivesOn) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient client(supervisor.port());
  supervisor.kill();
  supervisor.start_again();
  supervisor.close_old_output();
  supervisor.kill();  // of which the service would speak
  supervisor.start_again();
  client.say("hello");
  EXPECT_EQ(client.next(), "1 1 hello");
  EXPECT_EQ(supervisor.status().at("generation"), 1);
}

// ---- an upgrade that was under way
// ----------------------------------------------------------------

struct Death {
  const char* name;
  const char* failpoints;
  const char* result;  // as the next supervisor tells
  int generation;      // that serves
  bool heir_known = true;
};

// For the names of the tests, which otherwise have its bytes in them.
void PrintTo(const Death& death, std::ostream* out) { *out << death.failpoints; }

class DeathInUpgradeTest : public SurvivalTest, public ::testing::WithParamInterface<Death> {};

TEST_P(DeathInUpgradeTest, EndsByItselfAndIsToldAfterwards) {
  const Death& death = GetParam();
  Supervisor supervisor({.command = {echo(1)},
                         .run_flags = {"--stall-timeout", "500ms"},
                         .environment = {{"HANDOFF_FAILPOINT", death.failpoints}}});
  const int port = supervisor.port();
  EchoSwarm swarm({.port = port, .residents = 50});
  const std::string version = std::to_string(death.generation);
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  const auto upgrade = supervisor.upgrade(echo(2));
  EXPECT_EQ(upgrade.status, 3) << upgrade.describe();
  supervisor.kill();  // it has: this takes note of it
  EXPECT_TRUE(swarm.wait_until_each_answered_by(version, Deadline::in(30s)));
  supervisor.start_again({{"HANDOFF_FAILPOINT", ""}});
  ASSERT_TRUE(eventually([&] { return upgrades(supervisor).size() == 1; }));
  const json record = upgrades(supervisor).front();
  EXPECT_EQ(record.at("result"), death.result) << record;
  EXPECT_EQ(record.at("from").at("generation"), 1) << record;
  if (death.heir_known) {
    EXPECT_EQ(record.at("to").at("generation"), 2) << record;
  }
  const json status = supervisor.status();
  EXPECT_EQ(status.at("state"), "running") << status;
  EXPECT_EQ(status.at("generation"), death.generation) << status;
  EXPECT_EQ(status.at("last_upgrade").at("result"), death.result);
  EXPECT_TRUE(swarm.wait_until_each_answered_again(Deadline::in(30s)));
  // And the next one goes through.
  const auto again = supervisor.upgrade(echo(3 - death.generation));
  EXPECT_EQ(again.status, 0) << again.describe();
  EXPECT_EQ(again.done().at("to").at("generation"), death.heir_known ? 3 : 2);
  const auto report = swarm.stop(Deadline::in(30s));
  EXPECT_TRUE(report.flawless()) << report.describe();
}

INSTANTIATE_TEST_SUITE_P(
    Points, DeathInUpgradeTest,
    ::testing::Values(
        Death{"BeforeTheHeirIsSpawned", "supervisor.spawn.before@2=kill", "failed", 1, false},
        Death{"BeforeTheHeirRuns", "supervisor.spawn.after@2=kill", "failed", 1, false},
        Death{"BeforeDonate", "supervisor.donate.sending=kill", "failed", 1},
        Death{"AfterDonate", "supervisor.donate.sent=kill", "done", 2},
        Death{"AtTheFirstProgress", "supervisor.progress.received=kill", "done", 2},
        Death{"AtTheOwner", "supervisor.owner.received@2=kill", "done", 2},
        Death{"AtTheRetired", "supervisor.retired.received=kill", "done", 2},
        Death{"AndTheHeirRefuses", "supervisor.donate.sent=kill,heir.restore.before=error:EIO",
              "failed", 1},
        Death{"AndTheHeirDies", "supervisor.donate.sent=kill,heir.prepared.sent=kill", "failed", 1},
        Death{"AndTheDonorDies", "supervisor.donate.sent=kill,donor.prepare.sent=kill", "done", 2}),
    [](const auto& death) { return death.param.name; });

// ---- when everything is dead
// ----------------------------------------------------------------------

TEST_F(SurvivalTest, WhatNobodyIsLeftOfIsStartedAnewAsItWas) {
  Supervisor supervisor({.command = {echo(1)}});
  ASSERT_EQ(supervisor.upgrade(echo(2), {}).status, 0);
  ASSERT_EQ(supervisor.command({"commit", supervisor.name()}).status, 0);
  const auto service = hold(supervisor.service_pid());
  supervisor.kill();
  kill_and_wait(service, Deadline::in(10s));
  supervisor.start_again();
  const json status = supervisor.status();
  EXPECT_EQ(status.at("release"), "2.0") << "what was made permanent last, not what was first";
  EXPECT_EQ(status.at("generation"), 3);
}

TEST_F(SurvivalTest, AProvisionalReleaseThatNobodyIsLeftOfIsNotStartedAgain) {
  Supervisor supervisor({.command = {echo(1)}});
  ASSERT_EQ(supervisor.upgrade(echo(2), {}).status, 0);
  const auto service = hold(supervisor.service_pid());
  supervisor.kill();
  kill_and_wait(service, Deadline::in(10s));
  supervisor.start_again();
  const json status = supervisor.status();
  EXPECT_EQ(status.at("release"), "1.0");
  EXPECT_EQ(status.at("standing"), "permanent");
  EXPECT_EQ(status.at("generation"), 3);
}

TEST_F(SurvivalTest, AConfigurationThatHasChangedCountsMoreThanAProbation) {
  Supervisor supervisor({.command = {echo(1)}});
  ASSERT_EQ(supervisor.upgrade(echo(2), {}).status, 0);
  const auto service = hold(supervisor.service_pid());
  supervisor.kill();
  kill_and_wait(service, Deadline::in(10s));
  supervisor.set_command({echo(2)});
  supervisor.start_again();
  const json status = supervisor.status();
  EXPECT_EQ(status.at("release"), "2.0");
  EXPECT_EQ(status.at("standing"), "permanent");
  EXPECT_EQ(status.at("back"), nullptr);
}

TEST_F(SurvivalTest, TheNextSupervisorGoesOnWithTheProbationAndCanGoBack) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient client(supervisor.port());
  client.say("before");
  EXPECT_EQ(client.next(), "1 1 before");
  ASSERT_EQ(supervisor.upgrade(echo(2), {}, {"--probation", "1h"}).status, 0);
  supervisor.kill();
  supervisor.start_again();
  const json status = supervisor.status();
  EXPECT_EQ(status.at("standing"), "provisional");
  EXPECT_GT(status.at("probation_left_ms"), 3'000'000);
  EXPECT_EQ(status.at("back").at("release"), "1.0");
  const auto back = supervisor.command({"rollback", supervisor.name()});
  EXPECT_EQ(back.status, 0) << back.describe();
  client.say("after");
  EXPECT_EQ(client.next(), "2 1 after") << "the same session, in the release before";
  EXPECT_EQ(supervisor.status().at("standing"), "permanent");
}

TEST_F(SurvivalTest, AFileThatCanNotBeUnderstoodIsNotGuessedAt) {
  Supervisor supervisor({.command = {echo(1)}});
  const int port = supervisor.port();
  supervisor.kill();
  const std::string file = supervisor.environment().at("HANDOFF_RUNTIME_DIR") + "/state.json";
  std::string whole;
  std::getline(std::ifstream(file), whole, '\0');
  for (const std::string& text :
       {std::string("{"), std::string("[]"),
        std::string(R"({"format":99,"boot":"","services":[]})"),
        std::string(R"({"format":1,"services":[]})"), whole.substr(0, whole.size() / 2)}) {
    std::ofstream(file, std::ios::trunc) << text;
    EXPECT_THROW(supervisor.start_again(), std::runtime_error) << text;
    LineClient client(port);
    client.say("still here");
    EXPECT_EQ(client.next(), "1 1 still here");
  }
  std::ofstream(file, std::ios::trunc) << whole;
  supervisor.start_again();
  EXPECT_EQ(supervisor.status().at("generation"), 1);
}

TEST_F(SurvivalTest, AHistoryThatCanNotBeOpenedStopsUpgradesAndNoService) {
  Supervisor supervisor(
      {.command = {echo(1)}, .environment = {{"HANDOFF_STATE_DIR", "/proc/nowhere"}}});
  LineClient client(supervisor.port());
  const auto upgrade = supervisor.upgrade(echo(2));
  EXPECT_EQ(upgrade.status, 1) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("error").at("code"), "history");
  client.say("hello");
  EXPECT_EQ(client.next(), "1 1 hello");
}

// ---- systemd's fd store
// ----------------------------------------------------------------------------

// The receiving end of sd_notify(3): what it is told, and the fds that it is given to keep.
class NotifySocket {
 public:
  NotifySocket() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path_.begin(), path_.end(), address.sun_path);
    if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
      throw std::runtime_error("bind " + path_);
    }
  }
  const std::string& path() const { return path_; }

  // Until a message says so.
  bool wait_for(const std::string& text) {
    return eventually([&] {
      receive();
      return said_.find(text) != std::string::npos;
    });
  }
  std::map<std::string, handoff::UniqueFd>& store() { return store_; }

 private:
  void receive() {
    char text[4096];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 16)];
    for (;;) {
      iovec part{text, sizeof text};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      const ssize_t n = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
      if (n <= 0) return;
      const std::string what(text, static_cast<std::size_t>(n));
      said_ += what + "\n";
      const cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
      if (cmsg == nullptr || cmsg->cmsg_type != SCM_RIGHTS) continue;
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(cmsg), sizeof fd);
      const std::size_t name = what.find("FDNAME=");
      EXPECT_NE(what.find("FDSTORE=1"), std::string::npos) << what;
      store_[what.substr(name + 7, what.find('\n', name) - name - 7)].reset(fd);
    }
  }

  TempDir dir_;
  std::string path_ = (dir_.path() / "notify").string();
  handoff::UniqueFd fd_;
  std::string said_;
  std::map<std::string, handoff::UniqueFd> store_;
};

TEST_F(SurvivalTest, ListenersInTheFdStoreOutliveSupervisorAndService) {
  NotifySocket systemd;
  Supervisor supervisor({.command = {echo(1)}, .environment = {{"NOTIFY_SOCKET", systemd.path()}}});
  ASSERT_TRUE(systemd.wait_for("READY=1"));
  ASSERT_TRUE(systemd.store().contains("echo/public"));
  const int port = supervisor.port();
  const auto service = hold(supervisor.service_pid());
  supervisor.kill();
  kill_and_wait(service, Deadline::in(10s));
  // Nobody serves, and nobody is refused: the connection waits in the listener's queue.
  LineClient waiting(port);
  waiting.say("patience");
  // As systemd starts a unit: LISTEN_FDS from 3 on, LISTEN_PID of the process itself.
  const int kept = systemd.store().at("echo/public").get();
  ASSERT_EQ(::fcntl(kept, F_SETFD, 0), 0);
  supervisor.start_again({{"NOTIFY_SOCKET", systemd.path()}},
                         {"/bin/bash", "-c",
                          "exec 3<&" + std::to_string(kept) +
                              "; LISTEN_FDS=1 LISTEN_FDNAMES=echo/public LISTEN_PID=$$ exec \"$@\"",
                          "bash"});
  EXPECT_EQ(waiting.next(), "1 1 patience");
  EXPECT_EQ(supervisor.port(), port);
}

TEST_F(SurvivalTest, TheNextSupervisorSeesOutADonorThatHasNotExited) {
  Supervisor supervisor({.command = {echo(1)},
                         .run_flags = {"--drain", "1s"},
                         .environment = {{"HANDOFF_FAILPOINT", "donor.retire.after=stop"}}});
  const handoff::UniqueFd donor = hold(supervisor.service_pid());
  const auto upgrade = supervisor.upgrade(echo(2));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(supervisor.status().at("leaving").at(0).at("generation"), 1);
  supervisor.kill();
  supervisor.start_again({});
  EXPECT_EQ(supervisor.status().at("leaving").at(0).at("generation"), 1);
  pollfd exited{donor.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&exited, 1, 30'000), 1);
  EXPECT_TRUE(eventually([&] { return supervisor.status().at("leaving").empty(); }));
  EXPECT_EQ(supervisor.status().at("release"), "2.0");
}

// ---- upgrade --self
// --------------------------------------------------------------------------------

class SelfUpgradeTest : public SurvivalTest {
 protected:
  // All that must be the same afterwards.
  json picture() {
    json out = supervisor_.status();
    out.erase("sessions");
    return out;
  }
  void write_program(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
    ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
  }

  Supervisor supervisor_{{.command = {echo(1)}}};
  TempDir dir_;
};

TEST_F(SelfUpgradeTest, ReplacesTheSupervisorInItsOwnProcessAndTouchesNobody) {
  const pid_t pid = supervisor_.pid();
  const json before = picture();
  EchoSwarm swarm({.port = supervisor_.port(), .residents = 100, .visitors_per_second = 200});
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  const std::size_t files = settled_files(supervisor_).size();
  const std::string copy = (dir_.path() / "handoff-new").string();
  std::filesystem::copy_file(program("handoff"), copy);
  std::filesystem::copy_file(program("handoff-unpack"), dir_.path() / "handoff-unpack");
  for (int i = 0; i < 3; ++i) {
    const auto self = supervisor_.command({"upgrade", "--self", copy, "--json"});
    ASSERT_EQ(self.status, 0) << self.describe();
    EXPECT_EQ(self.done().at("pid"), pid);
    EXPECT_EQ(self.done().at("services"), (json{{{"name", "echo"}, {"state", "running"}}}));
    EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe"), copy);
    EXPECT_EQ(picture(), before);
    EXPECT_EQ(settled_files(supervisor_).size(), files);
  }
  const auto upgrade = supervisor_.upgrade(echo(2));
  EXPECT_EQ(upgrade.status, 0) << upgrade.describe();
  ASSERT_TRUE(swarm.wait_until_each_answered_by("2", Deadline::in(30s)));
  const auto report = swarm.stop(Deadline::in(30s));
  EXPECT_TRUE(report.flawless()) << report.describe();
  EXPECT_TRUE(eventually([&] { return children_of(pid).size() == 1; }))
      << "the old release was reaped by the one that took over";
}

TEST_F(SelfUpgradeTest, OneThatFailsItsCheckChangesNothing) {
  const json before = picture();
  const std::size_t files = settled_files(supervisor_).size();
  const std::string text = (dir_.path() / "text").string();
  write_program(text, "no program at all\n");
  const std::string script = (dir_.path() / "script").string();
  write_program(script, "#!/bin/sh\nexit 0\n");
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
    EXPECT_EQ(settled_files(supervisor_).size(), files);
  }
}

TEST_F(SelfUpgradeTest, AListenerThatNobodyServesKeepsItsQueue) {
  const int port = supervisor_.port();
  ASSERT_EQ(supervisor_.command({"stop", "echo"}).status, 0);
  LineClient waiting(port);
  waiting.say("patience");
  ASSERT_EQ(supervisor_.command({"upgrade", "--self"}).status, 0);
  ASSERT_EQ(supervisor_.command({"restart", "echo"}).status, 0);
  EXPECT_EQ(waiting.next(), "1 1 patience");
}

TEST_F(SelfUpgradeTest, ASupervisorThatDiesOnItsWayIsLikeAnyThatDies) {
  Supervisor supervisor({.command = {echo(1)},
                         .environment = {{"HANDOFF_FAILPOINT", "supervisor.self.before=kill"}}});
  LineClient client(supervisor.port());
  EXPECT_EQ(supervisor.command({"upgrade", "--self"}).status, 3);
  supervisor.kill();  // it has: this takes note of it
  supervisor.start_again({});
  client.say("hello");
  EXPECT_EQ(client.next(), "1 1 hello");
  EXPECT_EQ(supervisor.status().at("generation"), 1);
}

TEST_F(SelfUpgradeTest, OneThatCanNotBeExecutedChangesNothing) {
  Supervisor supervisor(
      {.command = {echo(1)},
       .environment = {{"HANDOFF_FAILPOINT", "supervisor.self.before=error:ENOMEM"}}});
  const std::size_t files = settled_files(supervisor).size();
  const auto self = supervisor.command({"upgrade", "--self"});
  EXPECT_EQ(self.status, 1) << self.describe();
  EXPECT_NE(self.err.find("can't be executed: Cannot allocate memory"), std::string::npos);
  EXPECT_EQ(supervisor.upgrade(echo(2)).status, 0);
  EXPECT_EQ(settled_files(supervisor).size(), files + 1) << "the release to go back to";
}

TEST_F(SelfUpgradeTest, IsRefusedWhileAServiceIsInAHandoff) {
  Supervisor supervisor({.command = {echo(1)},
                         .environment = {{"HANDOFF_FAILPOINT", "heir.hello.received=delay:2000"}}});
  std::thread upgrade([&] { EXPECT_EQ(supervisor.upgrade(echo(2)).status, 0); });
  EXPECT_TRUE(eventually([&] { return supervisor.status().at("state") == "upgrading"; }));
  const auto self = supervisor.command({"upgrade", "--self", "--json"});
  EXPECT_EQ(self.status, 1) << self.describe();
  EXPECT_EQ(self.done().at("error").at("code"), "busy");
  upgrade.join();
}

}  // namespace
}  // namespace test
