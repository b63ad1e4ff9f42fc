// A plan finds what no manifest tells: listeners that can't be bound, sessions that the old release
// can't save, a section that the new one refuses. The upgrade then does what the plan said.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "support/clients/line_client.h"
#include "support/clients/sockets.h"
#include "support/process/files.h"
#include "support/process/programs.h"
#include "support/supervisor/footprint.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Arguments = std::vector<std::string>;

std::string steps(int release) { return program("steps-" + std::to_string(release)); }

class PlanFindingsTest : public ::testing::Test {
 protected:
  void start(const Arguments& arguments = {}, const std::string& config = "") {
    Arguments command = {steps(1)};
    command.insert(command.end(), arguments.begin(), arguments.end());
    supervisor_.emplace(Supervisor::Options{.command = command, .name = "steps", .config = config});
    client_.emplace(supervisor_->port());
  }
  std::string say(const std::string& line) {
    client_->say(line);
    return client_->next();
  }
  // Expects that plan and upgrade both fail, for this reason, and leave nothing.
  json refused(const Arguments& arguments, const std::string& why) {
    const Footprint before(*supervisor_);
    const auto plan = supervisor_->plan(steps(2), arguments);
    EXPECT_EQ(plan.status, 1) << plan.describe();
    EXPECT_NE(plan.describe().find(why), std::string::npos) << plan.describe();
    before.expect_unchanged();
    const auto upgrade = supervisor_->upgrade(steps(2), arguments);
    EXPECT_EQ(upgrade.status, 1) << upgrade.describe();
    EXPECT_NE(upgrade.describe().find(why), std::string::npos) << upgrade.describe();
    before.expect_unchanged();
    return plan.done();
  }

  std::optional<Supervisor> supervisor_;
  std::optional<LineClient> client_;
};

TEST_F(PlanFindingsTest, AListenerThatIsNewIsTriedAndNotBound) {
  start();
  const TempDir folder;
  const std::string path = folder / "admin.sock";
  const Arguments arguments = {"--also", "admin=unix:" + path, "--also", "more=tcp:127.0.0.1:0"};
  const auto plan = supervisor_->plan(steps(2), arguments);
  ASSERT_EQ(plan.status, 0) << plan.describe();
  EXPECT_EQ(plan.done().at("listeners").at("extra").size(), 2U);
  EXPECT_EQ(plan.done().at("way_back").at("possible"), true) << "what is new is left out then";
  EXPECT_FALSE(fs::exists(path));
  ASSERT_EQ(supervisor_->upgrade(steps(2), arguments).status, 0);
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(PlanFindingsTest, AListenerWhoseAddressIsTakenIsAProblem) {
  start();
  const UniqueFd taken = listen_on_loopback();
  refused({"--also", "admin=tcp:127.0.0.1:" + std::to_string(port_of(taken.get()))},
          "listener 'admin'");
}

TEST_F(PlanFindingsTest, AListenerWhosePathIsSomethingElseIsAProblemAndThatIsLeftAlone) {
  start();
  const TempDir folder;
  const std::string path = folder / "letter";
  write_file(path, "dear");
  refused({"--also", "admin=unix:" + path}, "is no socket");
  EXPECT_EQ(fs::file_size(path), 4U);
}

TEST_F(PlanFindingsTest, ASessionThatTheOldReleaseCantSaveIsNamedAndTheOthersAreTried) {
  start({"--cant-save", "3"}, "unmovable = \"refuse\"\n");
  LineClient other(supervisor_->port());
  other.say("x");
  EXPECT_EQ(other.next(), "1 1 - -");
  for (const char* line : {"a", "b", "c"}) say(line);
  const json plan = refused({}, "this one can't be saved");
  EXPECT_EQ(plan.at("sessions").at("refused"), 1);
  EXPECT_EQ(plan.at("sessions").at("move"), 1);
  EXPECT_EQ(plan.at("sessions").at("examples").size(), 1U);
  EXPECT_EQ(say("d"), "1 4 - -");
  const auto now = supervisor_->plan(steps(2));
  EXPECT_EQ(now.status, 0) << now.describe();
}

TEST_F(PlanFindingsTest, ASectionThatIsRefusedIsNamedAndTheSessionsAreTriedAllTheSame) {
  start({"--section", "takes it"});
  say("a");
  const json plan = refused({"--section", "refuses it"}, "these notes are illegible");
  EXPECT_EQ(plan.at("sessions").at("move"), 1);
  EXPECT_EQ(plan.at("problems").size(), 1U);
  EXPECT_GT(plan.at("bytes").at("sections"), 0);
  const auto taken = supervisor_->plan(steps(2), {"--section", "takes it"});
  EXPECT_EQ(taken.status, 0) << taken.describe();
  EXPECT_EQ(say("b"), "1 2 - -");
}

TEST_F(PlanFindingsTest, ASectionThatNobodyClaimsIsAProblem) {
  start({"--section", "takes it"});
  refused({"--without", "nothing"}, "does not claim section 'notes'");
}

}  // namespace
}  // namespace handoff::test
