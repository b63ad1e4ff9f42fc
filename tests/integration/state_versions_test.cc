// State in other versions, with real releases in both directions: one step, two steps, and a step
// that no release knows.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "support/clients/line_client.h"
#include "support/process/programs.h"
#include "support/supervisor/footprint.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

std::string steps(int release) { return program("steps-" + std::to_string(release)); }

class StateVersionsTest : public ::testing::Test {
 protected:
  void start(int release, const std::vector<std::string>& arguments = {}) {
    std::vector<std::string> command = {steps(release)};
    command.insert(command.end(), arguments.begin(), arguments.end());
    supervisor_.emplace(Supervisor::Options{.command = command, .name = "steps"});
    client_.emplace(supervisor_->port());
  }
  void upgrade(int release) {
    supervisor_->settle();  // the next upgrade begins when the last donor has gone
    const auto upgrade = supervisor_->upgrade(steps(release));
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
    EXPECT_EQ(upgrade.done().at("sessions").at("moved"), 1);
  }
  std::string say(const std::string& line) { return client_->ask(line); }

  // Expects a refusal that names the chain, before a session or a chunk is copied.
  void expect_refused(int release, const std::vector<std::string>& arguments,
                      const std::string& chain) {
    const Footprint before(*supervisor_);
    const auto upgrade = supervisor_->upgrade(steps(release), arguments);
    expect_failed(upgrade, "version", {chain});
    EXPECT_EQ(upgrade.done().at("bytes"), 0) << upgrade.describe();
    for (const auto& event : upgrade.events()) {
      if (!event.contains("sessions")) continue;
      EXPECT_EQ(event["sessions"].value("sent", 0), 0) << event;
    }
    before.expect_unchanged();
  }

  std::optional<Supervisor> supervisor_;
  std::optional<LineClient> client_;
};

TEST_F(StateVersionsTest, OneStepUpAndDownAndUpAgain) {
  start(1);
  EXPECT_EQ(say("ab"), "1 1 - -");
  upgrade(2);
  EXPECT_EQ(say("cd"), "2 2 - -");
  EXPECT_EQ(say("ef"), "2 3 cd -");
  upgrade(1);
  EXPECT_EQ(say("gh"), "1 4 - -");
  upgrade(2);
  EXPECT_EQ(say("ij"), "2 5 - -") << "the old release forgot what it did not know";
}

TEST_F(StateVersionsTest, TwoStepsUpAndDownAtOnce) {
  start(1);
  EXPECT_EQ(say("ab"), "1 1 - -");
  upgrade(3);
  EXPECT_EQ(say("cdef"), "3 2 - 4");
  EXPECT_EQ(say("g"), "3 3 cdef 5");
  upgrade(1);
  EXPECT_EQ(say("h"), "1 4 - -");
  upgrade(3);
  EXPECT_EQ(say("i"), "3 5 - 1");
}

TEST_F(StateVersionsTest, EveryWayThroughThreeReleases) {
  start(2);
  std::uint64_t lines = 0;
  for (const int release : {3, 2, 1, 2, 3, 1, 3, 3, 2, 2, 1, 1}) {
    ASSERT_NO_FATAL_FAILURE(upgrade(release));
    const std::string expected = std::to_string(release) + " " + std::to_string(++lines) + " ";
    EXPECT_EQ(say("x").substr(0, expected.size()), expected);
  }
}

TEST_F(StateVersionsTest, AChainWithAGapUpwardsIsRefusedBeforeAnythingIsCopied) {
  start(1);
  EXPECT_EQ(say("ab"), "1 1 - -");
  expect_refused(3, {"--without", "1-2"}, "missing: 1 -> 2,");
  expect_refused(3, {"--without", "2-3"}, "missing: 1 -> 2 -> 3,");
  expect_refused(3, {"--without", "2-3", "--without", "1-2"}, "(release 3.0)");
  EXPECT_EQ(say("cd"), "1 2 - -");
  upgrade(3);
}

TEST_F(StateVersionsTest, AChainWithAGapDownwardsIsRefusedBeforeAnythingIsCopied) {
  start(3, {"--without", "2-1"});
  EXPECT_EQ(say("ab"), "3 1 - 2");
  expect_refused(1, {}, "missing: 2 -> 1, which the newer code has to know (release 3.0)");
  EXPECT_EQ(say("c"), "3 2 ab 3");
  upgrade(2);
  EXPECT_EQ(say("d"), "2 3 c -");
}

// A plan tells the operator the chain beforehand, and whether there is a way back.
TEST_F(StateVersionsTest, APlanTellsOfChainsOnEitherSideAndOfTheWayBack) {
  start(1);
  EXPECT_EQ(say("ab"), "1 1 - -");
  auto plan = supervisor_->plan(steps(3));
  ASSERT_EQ(plan.status, 0) << plan.describe();
  EXPECT_EQ(plan.done().at("states").at(0).at("new_converts"), "1 -> 2 -> 3");
  EXPECT_EQ(plan.done().at("way_back").at("possible"), true);

  plan = supervisor_->plan(steps(3), {"--without", "2-1"});
  EXPECT_EQ(plan.status, 1) << plan.describe();
  EXPECT_EQ(plan.done().at("error").at("code"), "one_way");
  plan = supervisor_->plan(steps(3), {"--without", "2-1"}, {"--one-way"});
  ASSERT_EQ(plan.status, 0) << "it can be done, but not undone: " << plan.describe();
  EXPECT_EQ(plan.done().at("way_back").at("possible"), false);
  EXPECT_NE(plan.describe().find("missing: 2 -> 1"), std::string::npos) << plan.describe();

  plan = supervisor_->plan(steps(3), {"--without", "1-2"});
  EXPECT_EQ(plan.status, 1) << plan.describe();
  EXPECT_EQ(plan.done().at("error").at("code"), "version");
  EXPECT_NE(plan.done().value("sentence", "").find("missing: 1 -> 2"), std::string::npos);

  upgrade(3);
  plan = supervisor_->plan(steps(1));
  ASSERT_EQ(plan.status, 0) << plan.describe();
  EXPECT_EQ(plan.done().at("states").at(0).at("old_converts"), "3 -> 2 -> 1");
  EXPECT_EQ(say("c"), "3 2 - 1");
}

}  // namespace
}  // namespace handoff::test
