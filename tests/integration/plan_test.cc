// `handoff plan` says what an upgrade would do, is right about it, and leaves no trace (invariant
// I5, docs/invariants.md) but its own line in the history.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "support/clients/echo_swarm.h"
#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/footprint.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::size_t kClients = 1000;

std::string echo(int release) { return program("handoff-echo-" + std::to_string(release)); }

// What the service and its supervisor hold, and the files of both; taken before a plan, and
// compared after it.
class Traces {
 public:
  explicit Traces(Supervisor& supervisor)
      : supervisor_(supervisor), footprint_(supervisor), files_(files()), status_(status()) {}

  void expect_none() const {
    footprint_.expect_unchanged();
    EXPECT_EQ(files(), files_);
    EXPECT_EQ(status(), status_);
  }

 private:
  std::set<std::string> files() const {
    std::set<std::string> out;
    const std::string folder = supervisor_.runtime();
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const std::string name = entry.path().string();
      if (name.find("history") == std::string::npos) out.insert(name);
    }
    return out;
  }
  json status() const {
    json status = supervisor_.status();
    status.erase("sessions");
    return status;
  }

  Supervisor& supervisor_;
  Footprint footprint_;
  std::set<std::string> files_;
  json status_;
};

bool mentions(const json& plan, const std::string& words) {
  for (const json& problem : plan.at("problems")) {
    if (problem.value("message", "").find(words) != std::string::npos) return true;
  }
  return false;
}

class PlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(swarm_.wait_until_each_answered_by("1", Deadline::in(30s)));
    traces_.emplace(supervisor_);
  }
  // Every client was served by release 1 alone, byte by byte, and nothing is left.
  void TearDown() override {
    EXPECT_TRUE(swarm_.wait_until_each_answered_again(Deadline::in(30s)));
    traces_->expect_none();
    const EchoSwarm::Report report = swarm_.stop(Deadline::in(30s));
    EXPECT_TRUE(report.flawless()) << report.describe();
    for (const auto& versions : report.versions) {
      ASSERT_EQ(versions, std::vector<std::string>{"1"});
    }
  }

  Supervisor::Outcome plan(const std::string& binary, const std::vector<std::string>& arguments,
                           const std::vector<std::string>& flags = {}) {
    const auto plan = supervisor_.plan(binary, arguments, flags);
    for (const json& event : plan.events()) {
      EXPECT_NE(event.value("phase", ""), "switch") << "it froze: " << plan.describe();
    }
    return plan;
  }
  // Expects that the plan says no, for this reason.
  json refused(const std::string& misdeed, const std::string& why,
               const std::vector<std::string>& flags = {}) {
    const auto plan = this->plan(program("bad_heir"), {misdeed}, flags);
    EXPECT_EQ(plan.status, 1) << plan.describe();
    const json done = plan.done();
    if (!done.is_object()) throw std::runtime_error("no plan: " + plan.describe());
    EXPECT_EQ(done.value("result", ""), "failed");
    EXPECT_TRUE(mentions(done, why)) << "no \"" << why << "\": " << plan.describe();
    EXPECT_NE(done.value("sentence", "").find("would fail, and its users would notice nothing"),
              std::string::npos);
    return done;
  }

  Supervisor supervisor_{{.command = {echo(1)}, .config = "unmovable = \"refuse\"\n"}};
  EchoSwarm swarm_{{.port = supervisor_.port(), .residents = kClients}};
  std::optional<Traces> traces_;
};

TEST_F(PlanTest, SaysWhatTheUpgradeOfABusyServiceWouldDo) {
  const auto outcome = plan(echo(2), {});
  ASSERT_EQ(outcome.status, 0) << outcome.describe();
  const json plan = outcome.done();
  EXPECT_EQ(plan.at("from").at("release"), "1.0");
  EXPECT_EQ(plan.at("to").at("release"), "2.0");
  EXPECT_GE(plan.at("sessions").at("move").get<std::size_t>(), kClients);
  EXPECT_EQ(plan.at("sessions").at("refused"), 0);
  EXPECT_EQ(plan.at("sessions").at("wait"), 0);
  EXPECT_EQ(plan.at("states").at(0).at("new_converts"), "1 -> 2");
  EXPECT_EQ(plan.at("listeners").at("matched").at(0).at("name"), "public");
  EXPECT_EQ(plan.at("listeners").at("missing"), json::array());
  EXPECT_EQ(plan.at("listeners").at("extra"), json::array());
  EXPECT_GT(plan.at("bytes").at("sessions"), 0);
  EXPECT_GT(plan.at("phases_us").at("copy"), 0);
  EXPECT_GT(plan.at("blackout_us").at("estimate"), 0);
  EXPECT_GT(plan.at("blackout_us").at("measured").at("save_ns"), 0);
  EXPECT_GT(plan.at("memory").at("needed"), 0);
  EXPECT_GT(plan.at("memory").at("free"), 0);
  EXPECT_EQ(plan.at("way_back").at("possible"), true);
  EXPECT_EQ(plan.at("error"), nullptr);
  EXPECT_NE(plan.value("sentence", "").find("would disconnect nobody"), std::string::npos);

  const json records = supervisor_.history();
  ASSERT_EQ(records.size(), 1U) << records;
  EXPECT_EQ(records[0].at("event"), "planned");
  EXPECT_EQ(records[0].at("result"), "done");
  EXPECT_EQ(records[0].at("sentence"), plan.at("sentence"));
  EXPECT_EQ(supervisor_.status().at("last_upgrade"), nullptr);
}

TEST_F(PlanTest, ManyInARowLeaveNothing) {
  for (int i = 0; i < 10; ++i) {
    const auto outcome = plan(echo(2), {}, {"--freeze-budget", "5s"});
    ASSERT_EQ(outcome.status, 0) << outcome.describe();
  }
}

TEST_F(PlanTest, IsLaidOutForReading) {
  const auto outcome = supervisor_.command({"plan", "echo", echo(2)});
  ASSERT_EQ(outcome.status, 0) << outcome.describe();
  for (const char* words :
       {"echo: 1.0 -> 2.0, rehearsed", "version 1 to 2; the new release converts 1 -> 2",
        "public (tcp:127.0.0.1:", "would move, 0 wait, 0 be refused", "blackout    about ",
        "which no rehearsal can show", "by the rates measured now", "going back  possible"}) {
    EXPECT_NE(outcome.out.find(words), std::string::npos) << words << "\n" << outcome.out;
  }
  const std::size_t last = outcome.out.rfind('\n', outcome.out.size() - 2);
  EXPECT_EQ(outcome.out.substr(last + 1).rfind("An upgrade of echo to release 2.0 would ", 0), 0U)
      << outcome.out;
}

TEST_F(PlanTest, NamesTheChainThatIsMissing) {
  const json plan = refused("knows-no-such-state", "missing: 1 -> 2 -> 3 -> 4 -> 5 -> 6 -> 7,");
  EXPECT_EQ(plan.at("error").at("code"), "version");
  EXPECT_EQ(plan.at("states").at(0).at("travels"), nullptr);
  EXPECT_EQ(plan.at("tried"), false);
  EXPECT_EQ(plan.at("bytes").at("sessions"), 0);
}

TEST_F(PlanTest, NamesAListenerThatIsNotClaimedAndOneThatIsNew) {
  const json plan = refused("claims-another-listener", "does not claim 'public'");
  EXPECT_EQ(plan.at("listeners").at("missing").at(0).at("name"), "public");
  EXPECT_EQ(plan.at("listeners").at("extra").at(0).at("name"), "private");
}

TEST_F(PlanTest, CountsTheSessionsThatRestoreRefusesAndGivesTenExamples) {
  for (const char* misdeed : {"rejects-a-session", "rejects-while-frozen"}) {
    const json plan = refused(misdeed, "this heir is picky");
    EXPECT_EQ(plan.at("sessions").at("move"), 499) << misdeed;
    EXPECT_GE(plan.at("sessions").at("refused").get<std::size_t>(), kClients - 499) << misdeed;
    ASSERT_EQ(plan.at("sessions").at("examples").size(), 10U) << misdeed;
    for (const json& example : plan.at("sessions").at("examples")) {
      EXPECT_GT(example.at("session"), 0);
      EXPECT_EQ(example.at("what"), "session kind 'session'");
    }
  }
}

TEST_F(PlanTest, OfAHeirThatCrashes) {
  refused("crashes-while-copying", "SIGSEGV");
  refused("crashes-while-frozen", "SIGSEGV");
  refused("exits", "status 3");
}

TEST_F(PlanTest, OfAHeirThatHangs) {
  refused("hangs-while-copying", "in time", {"--stall-timeout", "1s"});
  refused("hangs-while-frozen", "in time", {"--stall-timeout", "1s"});
  refused("is-never-ready", "not ready", {"--start-timeout", "1s"});
}

TEST_F(PlanTest, OfAHeirThatRunsOutOfFds) { refused("fills-its-fds-while-copying", "open files"); }

TEST_F(PlanTest, OfAHeirThatKnowsNothingOfRehearsals) {
  refused("speaks-another-protocol", "knows no rehearsals");
}

TEST_F(PlanTest, OfWhatIsNoProgram) {
  const TempDir folder;
  const std::string path = folder / "notes.txt";
  EXPECT_EQ(plan(path, {}).status, 1) << "there is no such file";
  write_file(path, "not a program\n");
  EXPECT_EQ(plan(path, {}).status, 1) << "it is not executable";
  ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
  const auto outcome = plan(path, {});
  EXPECT_EQ(outcome.status, 1) << outcome.describe();
  EXPECT_NE(outcome.describe().find(path), std::string::npos) << outcome.describe();
}

TEST_F(PlanTest, AFreezeBudgetThatIsTooShortIsSaidBefore) {
  const auto outcome = plan(echo(2), {}, {"--freeze-budget", "1us"});
  EXPECT_EQ(outcome.status, 1) << outcome.describe();
  EXPECT_EQ(outcome.done().at("error").at("code"), "timeout") << outcome.describe();
  EXPECT_EQ(supervisor_.upgrade(echo(2), {}, {"--freeze-budget", "1us"}).status, 1)
      << "and it was right";
  traces_.emplace(supervisor_);  // an upgrade that failed is remembered
}

TEST_F(PlanTest, OneThatIsInterruptedIsGivenUp) {
  for (const char* misdeed : {"is-never-ready", "hangs-while-copying"}) {
    const auto cli = supervisor_.begin({"plan", "echo", program("bad_heir"), "--", misdeed});
    supervisor_.wait_for_state("planning");
    if (misdeed == std::string("hangs-while-copying")) {
      ASSERT_TRUE(supervisor_.says("rehearsal to generation 3: copy"));
    }
    cli->signal(SIGINT);
    EXPECT_EQ(cli->wait(), 130);
    EXPECT_TRUE(cli->wait_for_output("nothing was changed")) << cli->err();
    supervisor_.wait_for_state("running");
    traces_->expect_none();
  }
  const json records = supervisor_.history();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].at("error").at("code"), "cancelled");
}

TEST_F(PlanTest, OneWhoseOperatorIsKilledEndsByItself) {
  const auto cli = supervisor_.begin(
      {"plan", "echo", "--stall-timeout", "1s", program("bad_heir"), "--", "hangs-while-copying"});
  supervisor_.wait_for_state("planning");
  cli->signal(SIGKILL);
  supervisor_.wait_for_state("running");
}

TEST_F(PlanTest, NoneIsBegunDuringAnUpgradeAndNoUpgradeDuringOne) {
  for (const char* under_way : {"upgrade", "plan"}) {
    const auto cli = supervisor_.begin(
        {under_way, "echo", "--start-timeout", "3s", program("bad_heir"), "--", "is-never-ready"});
    const std::string state = under_way == std::string("plan") ? "planning" : "upgrading";
    supervisor_.wait_for_state(state);
    const std::string words = under_way == std::string("plan") ? "a plan of echo is under way"
                                                               : "another upgrade of echo";
    expect_failed(supervisor_.plan(echo(2)), "busy", {words});
    expect_failed(supervisor_.upgrade(echo(2)), "busy", {words});
    EXPECT_EQ(cli->wait(), 1);
    EXPECT_TRUE(cli->wait_for_output("not ready within"))
        << "its own answer: " << cli->out() << cli->err();
  }
  traces_.emplace(supervisor_);  // an upgrade that failed is remembered
}

}  // namespace

// Plans for a service without clients of its own.
class QuietPlanTest : public ::testing::Test {
 protected:
  Supervisor supervisor_{{.command = {echo(1)}}};
};

TEST_F(QuietPlanTest, OfAServiceThatNobodyIsConnectedTo) {
  const auto outcome = supervisor_.plan(echo(2));
  ASSERT_EQ(outcome.status, 0) << outcome.describe();
  EXPECT_NE(outcome.done().value("sentence", "").find("noticed by nobody"), std::string::npos);
}

TEST_F(QuietPlanTest, OfTheSameFileWithoutItsPath) {
  const auto outcome = supervisor_.command({"plan", "echo", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.describe();
  EXPECT_EQ(outcome.done().at("to").at("release"), "1.0");
}

// Sessions open and end while they are copied.
TEST_F(QuietPlanTest, VisitorsComeAndGoMeanwhile) {
  EchoSwarm swarm({.port = supervisor_.port(), .residents = 100, .visitors_per_second = 500});
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  for (int i = 0; i < 20; ++i) {
    // The estimate grows on a busy machine and is not tested here, so the budget is long.
    const auto outcome = supervisor_.plan(echo(2), {}, {"--freeze-budget", "5s"});
    ASSERT_EQ(outcome.status, 0) << outcome.describe();
    EXPECT_GE(outcome.done().at("sessions").at("move"), 100);
  }
  const EchoSwarm::Report report = swarm.stop(Deadline::in(30s));
  EXPECT_TRUE(report.flawless()) << report.describe();
  EXPECT_GT(report.visitors, 0U);
}

TEST_F(QuietPlanTest, NeedsAServiceThatRuns) {
  ASSERT_EQ(supervisor_.command({"stop", "echo", "--json"}).status, 0);
  expect_failed(supervisor_.plan(echo(2)), "not_running", {"handoff restart echo"});
  EXPECT_EQ(supervisor_.status().at("state"), "stopped");
  EXPECT_EQ(supervisor_.command({"plan", "ecco", echo(2), "--json"}).status, 4);
}

TEST_F(QuietPlanTest, WhatItSaidIsWhatHappens) {
  EchoSwarm swarm({.port = supervisor_.port(), .residents = 1});
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  const auto plan = supervisor_.plan(echo(2));
  ASSERT_EQ(plan.status, 0) << plan.describe();
  const auto upgrade = supervisor_.upgrade(echo(2));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("to").at("digest"), plan.done().at("to").at("digest"));
  EXPECT_EQ(plan.done().at("blackout_us").at("last_upgrade"), nullptr);
  const auto back = supervisor_.plan(echo(1));
  ASSERT_EQ(back.status, 0) << back.describe();
  const json last = back.done().at("blackout_us").at("last_upgrade");
  EXPECT_EQ(last.at("max"), upgrade.done().at("blackout_us").at("max"));
  EXPECT_EQ(last.at("sessions"), 1);
  EXPECT_EQ(back.done().at("states").at(0).at("old_converts"), "2 -> 1");
}

// The supervisor is killed in a plan: the next one ends the heir, which nobody waits for any more.
TEST_F(QuietPlanTest, OneWhoseSupervisorIsKilledIsEndedByTheNext) {
  // Enough sessions for the heir to hang in the middle of the copy.
  EchoSwarm swarm({.port = supervisor_.port(), .residents = 600});
  ASSERT_TRUE(swarm.wait_until_each_answered_by("1", Deadline::in(30s)));
  const pid_t donor = supervisor_.service_pid();
  for (const char* misdeed : {"is-never-ready", "hangs-while-copying"}) {
    const auto cli = supervisor_.begin({"plan", "echo", program("bad_heir"), "--", misdeed});
    UniqueFd heir;
    ASSERT_TRUE(supervisor_.eventually([&] {
      for (const pid_t child : children_of(supervisor_.pid())) {
        if (child != donor) heir = hold(child);
      }
      return heir.valid();
    }));
    supervisor_.kill();
    supervisor_.start_again();
    EXPECT_TRUE(wait_end(heir)) << misdeed;
    supervisor_.wait_for_state("running");
    EXPECT_EQ(supervisor_.service_pid(), donor);
    EXPECT_TRUE(swarm.wait_until_each_answered_again(Deadline::in(30s)));
  }
  const EchoSwarm::Report report = swarm.stop(Deadline::in(30s));
  EXPECT_TRUE(report.flawless()) << report.describe();
  for (const json& record : supervisor_.history()) EXPECT_NE(record.at("event"), "upgrade");
  EXPECT_EQ(supervisor_.status().at("last_upgrade"), nullptr);
}

// A donor that dies in a plan is a crash of the service as at any time. The supervisor starts the
// old release, not the new one.
TEST_F(QuietPlanTest, ADonorThatDiesIsStartedAgainAsItWas) {
  const auto cli = supervisor_.begin({"plan", "echo", program("bad_heir"), "--", "is-never-ready"});
  supervisor_.wait_for_state("planning");
  const pid_t donor = supervisor_.service_pid();
  kill_and_wait(hold(donor));
  EXPECT_EQ(cli->wait(), 1) << cli->out() << cli->err();
  EXPECT_TRUE(cli->wait_for_output("echo died by itself during the rehearsal"))
      << cli->out() << cli->err();
  supervisor_.wait_for_state("running");
  EXPECT_NE(supervisor_.service_pid(), donor);
  EXPECT_EQ(supervisor_.status().at("release"), "1.0");
}

}  // namespace handoff::test
