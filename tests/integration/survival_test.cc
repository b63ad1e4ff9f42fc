// The supervisor is no single point of failure. A supervisor that is killed takes no service with
// it; the next one goes on where it was, and tells how an upgrade that was under way has ended.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "support/clients/echo_swarm.h"
#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/notify_socket.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string echo(int version) { return program("handoff-echo-" + std::to_string(version)); }

class SurvivalTest : public ::testing::Test {
 protected:
  // Orphans of a dead supervisor become children of the test, which must reap them: a zombie would
  // still count as a process.
  static void SetUpTestSuite() { ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }
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
    EXPECT_EQ(supervisor.log().find("is not in the configuration"), std::string::npos);
    const json state = json::parse(read_file(supervisor.runtime() + "/state.json"));
    EXPECT_EQ(state.at("services").size(), 1U) << state;
  }
  // The next supervisor can do all that the first one could, also start the service anew on the
  // same listeners.
  const auto upgrade = supervisor.upgrade(echo(1));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("to").at("generation"), 3);
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  EXPECT_TRUE(swarm.stop(Deadline::in(30s)).flawless());
  const int port = supervisor.port();
  kill_and_wait(hold(supervisor.service_pid()));
  supervisor.wait_for_state("running");
  LineClient client(port);
  EXPECT_EQ(client.ask("hello"), "1 1 hello");
  EXPECT_EQ(supervisor.status().at("generation"), 4);
}

TEST_F(SurvivalTest, AReturnLeavesNoFdBehind) {
  Supervisor supervisor({.command = {echo(1)}});
  const auto service = open_files(supervisor.service_pid()).size();
  supervisor.kill();
  supervisor.start_again();
  const std::size_t adopted = supervisor.settled_files().size();
  for (int i = 0; i < 3; ++i) {
    supervisor.kill();
    supervisor.start_again();
    EXPECT_EQ(open_files(supervisor.service_pid()).size(), service);
    EXPECT_EQ(supervisor.settled_files().size(), adopted);
  }
}

// With `handoff run 2>&1 | logger`, when both are dead, the service gets SIGPIPE for what it
// writes.
TEST_F(SurvivalTest, AServiceWhoseOutputNobodyReadsAnyMoreLivesOn) {
  const TempDir dir;
  const std::string logger = dir / "logger";
  ASSERT_EQ(::mkfifo(logger.c_str(), 0600), 0);
  UniqueFd reader(::open(logger.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  Supervisor supervisor(
      {.command = {"/bin/sh", "-c", "exec " + echo(1) + " >" + logger + " 2>&1"}});
  LineClient client(supervisor.port());
  supervisor.kill();
  EXPECT_TRUE(readable(reader.get())) << "it speaks of that";
  supervisor.start_again();
  reader.reset();
  supervisor.kill();
  supervisor.start_again();
  EXPECT_EQ(client.ask("hello"), "1 1 hello");
  EXPECT_EQ(supervisor.status().at("generation"), 1);
}

// ---- an upgrade that was under way

struct Death {
  const char* name;
  const char* failpoints;
  const char* result;  // that the next supervisor reports
  int generation;      // that serves afterwards
  bool heir_known = true;
};

// googletest prints a parameter into the test's name: without this, its bytes.
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
  supervisor.kill();  // it is dead already; this makes the object know
  EXPECT_TRUE(swarm.wait_until_each_answered_by(version, Deadline::in(30s)));
  supervisor.start_again({{"HANDOFF_FAILPOINT", ""}});
  ASSERT_TRUE(supervisor.eventually([&] { return supervisor.history("upgrade").size() == 1; }));
  const json record = supervisor.history("upgrade").front();
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
  // The next upgrade succeeds.
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

// The upgrade is over, and its command has been answered, when the supervisor dies over the record
// of it: before the history has it, or before the supervisor knows that it has.
class DeathOverTheHistoryTest : public SurvivalTest,
                                public ::testing::WithParamInterface<const char*> {};

TEST_P(DeathOverTheHistoryTest, TheNextSupervisorTellsOnceHowTheUpgradeEnded) {
  const std::string hangs = std::string("supervisor.record.") + GetParam() + "@2=delay:600000";
  Supervisor supervisor({.command = {echo(1)}, .environment = {{"HANDOFF_FAILPOINT", hangs}}});
  const auto upgrade = supervisor.upgrade(echo(2));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  supervisor.kill();
  supervisor.start_again({{"HANDOFF_FAILPOINT", ""}});
  for (std::size_t i = 1; i <= 2; ++i) {
    // The history has in its order what came before this.
    ASSERT_EQ(supervisor.plan(echo(1)).status, 0);
    ASSERT_EQ(supervisor.history("planned").size(), i);
    const auto records = supervisor.history("upgrade");
    ASSERT_EQ(records.size(), 1U);
    EXPECT_EQ(records.front().at("result"), "done") << records.front();
    EXPECT_EQ(records.front().at("to").at("generation"), 2) << records.front();
    EXPECT_EQ(records.front().at("command"), "upgrade") << records.front();
    supervisor.kill();
    supervisor.start_again({});  // nor does the one after that
  }
}

INSTANTIATE_TEST_SUITE_P(Moments, DeathOverTheHistoryTest, ::testing::Values("before", "after"),
                         [](const auto& moment) { return std::string(moment.param); });

// ---- when everything is dead

TEST_F(SurvivalTest, WhatNobodyIsLeftOfIsStartedAnewAsItWas) {
  Supervisor supervisor({.command = {echo(1)}});
  ASSERT_EQ(supervisor.upgrade(echo(2), {}).status, 0);
  ASSERT_EQ(supervisor.command({"commit", supervisor.name()}).status, 0);
  supervisor.settle();
  const auto service = hold(supervisor.service_pid());
  supervisor.kill();
  kill_and_wait(service);
  supervisor.start_again();
  const json status = supervisor.status();
  EXPECT_EQ(status.at("release"), "2.0") << "what was made permanent last, not what was first";
  EXPECT_EQ(status.at("generation"), 3);
}

TEST_F(SurvivalTest, AProvisionalReleaseThatNobodyIsLeftOfIsNotStartedAgain) {
  Supervisor supervisor({.command = {echo(1)}});
  ASSERT_EQ(supervisor.upgrade(echo(2), {}).status, 0);
  supervisor.settle();  // nobody else of it is left
  const auto service = hold(supervisor.service_pid());
  supervisor.kill();
  kill_and_wait(service);
  supervisor.start_again();
  const json status = supervisor.status();
  EXPECT_EQ(status.at("release"), "1.0");
  EXPECT_EQ(status.at("standing"), "permanent");
  EXPECT_EQ(status.at("generation"), 3);
}

// A release is not proven by a configuration that names it.
TEST_F(SurvivalTest, AConfigurationThatHasChangedEndsNoProbation) {
  Supervisor supervisor({.command = {echo(1)}});
  ASSERT_EQ(supervisor.upgrade(echo(2), {}).status, 0);
  supervisor.settle();  // nobody else of it is left
  const auto service = hold(supervisor.service_pid());
  supervisor.kill();
  kill_and_wait(service);
  supervisor.options().command = {echo(2)};
  supervisor.start_again();
  const json status = supervisor.status();
  EXPECT_EQ(status.at("release"), "2.0");
  EXPECT_EQ(status.at("standing"), "provisional");
  ASSERT_FALSE(status.at("back").is_null());
  EXPECT_EQ(status.at("back").at("release"), "1.0");
}

TEST_F(SurvivalTest, TheNextSupervisorGoesOnWithTheProbationAndCanGoBack) {
  Supervisor supervisor({.command = {echo(1)}});
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("before"), "1 1 before");
  ASSERT_EQ(supervisor.upgrade(echo(2), {}, {"--probation", "1h"}).status, 0);
  supervisor.kill();
  supervisor.start_again();
  const json status = supervisor.status();
  EXPECT_EQ(status.at("standing"), "provisional");
  EXPECT_GT(status.at("probation_left_ms"), 3'000'000);
  EXPECT_EQ(status.at("back").at("release"), "1.0");
  const auto back = supervisor.command({"rollback", supervisor.name()});
  EXPECT_EQ(back.status, 0) << back.describe();
  EXPECT_EQ(client.ask("after"), "2 1 after") << "the same session, in the release before";
  EXPECT_EQ(supervisor.status().at("standing"), "permanent");
}

TEST_F(SurvivalTest, AHistoryThatIsRequiredAndCanNotBeOpenedStopsUpgradesAndNoService) {
  const TempDir folder;
  const std::string config = folder / "handoff.toml";
  write_file(config, "history = \"required\"\n[service.echo]\ncommand = [\"" + echo(1) +
                         "\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n");
  Supervisor supervisor({.environment = {{"HANDOFF_STATE_DIR", "/proc/nowhere"}}, .file = config});
  LineClient client(supervisor.port());
  const auto upgrade = supervisor.upgrade(echo(2));
  EXPECT_EQ(upgrade.status, 1) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("error").at("code"), "history");
  EXPECT_EQ(client.ask("hello"), "1 1 hello");
}

TEST_F(SurvivalTest, AHistoryThatWasMovedAwayIsMadeAnewAndThatIsTold) {
  Supervisor supervisor({.command = {echo(1)}});
  const std::string history = supervisor.runtime() + "/history.jsonl";
  ASSERT_TRUE(supervisor.history("upgrade").empty());
  std::filesystem::rename(history, history + ".1");
  ASSERT_EQ(supervisor.upgrade(echo(2)).status, 0);
  EXPECT_EQ(supervisor.history("upgrade").size(), 1U);
  EXPECT_TRUE(supervisor.says(history + " was moved away or removed: a new one is begun"));
}

// ---- systemd's fd store

TEST_F(SurvivalTest, ListenersInTheFdStoreOutliveSupervisorAndService) {
  NotifySocket systemd;
  Supervisor supervisor({.command = {echo(1)}, .environment = {{"NOTIFY_SOCKET", systemd.path()}}});
  ASSERT_TRUE(systemd.hears("READY=1"));
  ASSERT_TRUE(systemd.store().contains("echo/public"));
  const int port = supervisor.port();
  const auto service = hold(supervisor.service_pid());
  supervisor.kill();
  kill_and_wait(service);
  // Nobody serves, and nobody is refused: the connection waits in the listener's queue.
  LineClient waiting(port);
  waiting.say("patience");
  // systemd starts a unit with its fds from 3 on (LISTEN_FDS), and with its pid in LISTEN_PID.
  const int kept = systemd.store().at("echo/public").get();
  ASSERT_EQ(::fcntl(kept, F_SETFD, 0), 0);
  supervisor.options().wrapper = {
      "/bin/bash", "-c",
      "exec 3<&" + std::to_string(kept) +
          "; LISTEN_FDS=1 LISTEN_FDNAMES=echo/public LISTEN_PID=$$ exec \"$@\"",
      "bash"};
  supervisor.start_again();
  EXPECT_EQ(waiting.next(), "1 1 patience");
  EXPECT_EQ(supervisor.port(), port);
}

TEST_F(SurvivalTest, TheNextSupervisorSeesOutADonorThatHasNotExited) {
  Supervisor supervisor({.command = {echo(1)},
                         .run_flags = {"--drain", "1s"},
                         .environment = {{"HANDOFF_FAILPOINT", "donor.retire.after=stop"}}});
  const UniqueFd donor = hold(supervisor.service_pid());
  const auto upgrade = supervisor.upgrade(echo(2));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(supervisor.status().at("leaving").at(0).at("generation"), 1);
  supervisor.kill();
  supervisor.start_again({});
  EXPECT_EQ(supervisor.status().at("leaving").at(0).at("generation"), 1);
  EXPECT_TRUE(wait_end(donor));
  supervisor.settle();
  EXPECT_EQ(supervisor.status().at("release"), "2.0");
}

}  // namespace
}  // namespace handoff::test
