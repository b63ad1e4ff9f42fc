// A failed upgrade is invisible (invariant I5, docs/invariants.md). Whatever the heir does, clients
// notice nothing, the operator hears why, and donor and supervisor hold exactly what they held
// before.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "support/clients/echo_swarm.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/footprint.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kClients = 1000;

class FailedUpgradeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(swarm_.wait_until_each_answered_by("1", Deadline::in(30s)));
    footprint_.emplace(supervisor_);
  }

  // The upgrade fails, with the reason in its message, and nobody has noticed.
  void expect_invisible(const Supervisor::Outcome& upgrade, const std::string& reason) {
    EXPECT_EQ(upgrade.status, 1) << upgrade.describe();
    const auto done = upgrade.done();
    ASSERT_TRUE(done.is_object()) << upgrade.describe();
    EXPECT_EQ(done.value("result", ""), "failed") << upgrade.describe();
    const std::string message = done.at("error").at("message");
    EXPECT_NE(message.find(reason), std::string::npos) << "the reason given is: " << message;

    EXPECT_TRUE(swarm_.wait_until_each_answered_again(Deadline::in(30s)));
    footprint_->expect_unchanged();
    expect_flawless();
  }

  void fail_with(const std::string& misdeed, const std::string& reason,
                 const std::vector<std::string>& flags = {}) {
    expect_invisible(supervisor_.upgrade(program("bad_heir"), {misdeed}, flags), reason);
  }

  Supervisor supervisor_{
      {.command = {program("handoff-echo-1")}, .config = "unmovable = \"refuse\"\n"}};
  EchoSwarm swarm_{{.port = supervisor_.port(), .residents = kClients}};

 private:
  void expect_flawless() {
    const EchoSwarm::Report report = swarm_.stop(Deadline::in(30s));
    EXPECT_TRUE(report.flawless()) << report.describe();
    // The freeze budget is 250 ms; the rest is for a machine that is busy with other things.
    EXPECT_LT(report.longest_silence, 1s);
    std::cout << report.describe() << "\n";
    for (const auto& versions : report.versions) {
      ASSERT_EQ(versions, std::vector<std::string>{"1"});
    }
  }

  std::optional<Footprint> footprint_;
};

TEST_F(FailedUpgradeTest, TheHeirExitsAtOnce) { fail_with("exits", "status 3"); }

TEST_F(FailedUpgradeTest, TheHeirIsNeverReady) {
  fail_with("is-never-ready", "not ready", {"--start-timeout", "1s"});
}

TEST_F(FailedUpgradeTest, TheHeirCrashesWhileCopying) {
  fail_with("crashes-while-copying", "SIGSEGV");
}

TEST_F(FailedUpgradeTest, TheHeirHangsWhileCopying) {
  fail_with("hangs-while-copying", "in time", {"--stall-timeout", "1s"});
}

TEST_F(FailedUpgradeTest, TheHeirRejectsASession) {
  fail_with("rejects-a-session", "this heir is picky");
}

TEST_F(FailedUpgradeTest, TheHeirCrashesWhileTheDonorIsFrozen) {
  fail_with("crashes-while-frozen", "SIGSEGV");
}

TEST_F(FailedUpgradeTest, TheHeirHangsWhileTheDonorIsFrozen) {
  fail_with("hangs-while-frozen", "budget");
}

TEST_F(FailedUpgradeTest, TheHeirRejectsASessionWhileTheDonorIsFrozen) {
  fail_with("rejects-while-frozen", "this heir is picky");
}

TEST_F(FailedUpgradeTest, TheHeirOnlySaysThatItOwns) {
  fail_with("only-says-that-it-owns", "said that it owns the sessions", {"--stall-timeout", "1s"});
}

TEST_F(FailedUpgradeTest, TheHeirSaysTooSoonThatItOwns) {
  fail_with("says-too-soon-that-it-owns", "said that it owns the sessions");
}

TEST_F(FailedUpgradeTest, TheHeirCantReadTheState) {
  fail_with("knows-no-such-state", "no state version in common");
}

TEST_F(FailedUpgradeTest, TheHeirDoesNotClaimTheListener) {
  fail_with("claims-another-listener", "public");
}

TEST_F(FailedUpgradeTest, TheHeirSpeaksAnotherProtocolVersion) {
  fail_with("speaks-another-protocol", "the heir 99 to 99");
}

TEST_F(FailedUpgradeTest, TheBinaryIsNotExecutable) {
  const TempDir folder;
  const std::string path = folder / "notes.txt";
  write_file(path, "not a program\n");
  expect_invisible(supervisor_.upgrade(path), path);
}

TEST_F(FailedUpgradeTest, TheBinaryIsExecutableButNoProgram) {
  const TempDir folder;
  const std::string path = folder / "notes.txt";
  write_file(path, "not a program\n", 0755);
  expect_invisible(supervisor_.upgrade(path), path);
}

TEST_F(FailedUpgradeTest, TheBinaryDoesNotExist) {
  const TempDir folder;
  const std::string path = folder / "nothing";
  expect_invisible(supervisor_.upgrade(path), path);
}

}  // namespace
}  // namespace handoff::test
