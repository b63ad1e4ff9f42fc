// One session of twenty that can't be moved, under the real supervisor: the plan says what becomes
// of it, and the upgrade does it. It is named by its id, its client, the release at fault and the
// reason.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "support/clients/line_client.h"
#include "support/process/programs.h"
#include "support/supervisor/footprint.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string steps(int release) { return program("steps-" + std::to_string(release)); }

struct Fault {
  const char* name;
  std::vector<std::string> old_options, new_options;
  const char* side;
  const char* reason;
};
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

const Fault kSave{"Save", {"--cant-save", "2"}, {}, "old", "this one can't be saved"};
const Fault kRestore{"Restore", {}, {"--cant-restore", "2"}, "new", "this one is not taken"};

class UnmovableUpgradeTest : public ::testing::TestWithParam<Fault> {
 protected:
  static constexpr std::size_t kClients = 20;
  static constexpr std::size_t kBad = 4;

  // All clients have said one line, but for one that has said two.
  void start(const std::string& unmovable) {
    std::vector<std::string> command = {steps(1)};
    command.insert(command.end(), GetParam().old_options.begin(), GetParam().old_options.end());
    supervisor_.emplace(Supervisor::Options{
        .command = command,
        .name = "steps",
        .config = unmovable.empty() ? "restart = true\n" : "unmovable = \"" + unmovable + "\"\n"});
    for (std::size_t i = 0; i < kClients; ++i) {
      clients_.push_back(std::make_unique<LineClient>(supervisor_->port()));
      ASSERT_EQ("1 1 - -", clients_.back()->ask("a"));
    }
    ASSERT_EQ("1 2 - -", bad().ask("a"));
  }
  LineClient& bad() { return *clients_[kBad]; }
  std::string bad_peer() {
    sockaddr_in at{};
    socklen_t length = sizeof at;
    ::getsockname(bad().fd(), reinterpret_cast<sockaddr*>(&at), &length);
    return "tcp:127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  }
  void expect_named(const json& one) {
    EXPECT_GT(one.at("session"), 0);
    EXPECT_EQ(one.at("peer"), bad_peer());
    EXPECT_EQ(one.at("fault"), GetParam().side);
    EXPECT_THAT(one.at("reason").get<std::string>(), HasSubstr(GetParam().reason));
  }
  json plan(int status) {
    const Footprint before(*supervisor_);
    const auto plan = supervisor_->plan(steps(2), GetParam().new_options);
    EXPECT_EQ(plan.status, status) << plan.describe();
    before.expect_unchanged();
    const json done = plan.done();
    EXPECT_EQ(done.at("sessions").at("refused"), 1) << done;
    EXPECT_EQ(done.at("sessions").at("move"), kClients - 1) << done;
    EXPECT_EQ(done.at("sessions").at("examples").size(), 1U);
    expect_named(done.at("sessions").at("examples").at(0));
    return done;
  }
  void expect_others_move() {
    for (std::size_t i = 0; i < kClients; ++i) {
      if (i == kBad) continue;
      ASSERT_EQ("2 2 - -", clients_[i]->ask("b")) << i;
    }
  }

  std::optional<Supervisor> supervisor_;
  std::vector<std::unique_ptr<LineClient>> clients_;
};

INSTANTIATE_TEST_SUITE_P(Faults, UnmovableUpgradeTest, ::testing::Values(kSave, kRestore),
                         ::testing::PrintToStringParamName());

TEST_P(UnmovableUpgradeTest, ItStaysUnlessOneSaysOtherwise) {
  start("");
  const json planned = plan(0);
  EXPECT_EQ(planned.at("sessions").at("stay"), 1);
  EXPECT_THAT(planned.at("sentence").get<std::string>(),
              HasSubstr("disconnect nobody: 19 sessions would move, 1 that can't be moved would "
                        "stay with the old release"));
  const auto upgrade = supervisor_->upgrade(steps(2), GetParam().new_options);
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  const json sessions = upgrade.done().at("sessions");
  EXPECT_EQ(sessions.at("moved"), kClients - 1);
  EXPECT_EQ(sessions.at("waiting"), 1);
  EXPECT_EQ(sessions.at("unmovable"), 1);
  EXPECT_EQ(sessions.at("closed"), 0);
  EXPECT_EQ(sessions.at("lost"), 0);
  ASSERT_EQ(sessions.at("unmoved").size(), 1U);
  expect_named(sessions.at("unmoved").at(0));
  const json recorded = supervisor_->history("upgrade").back();
  EXPECT_EQ(recorded.at("sessions").at("unmoved"), sessions.at("unmoved"));
  expect_others_move();
  // With the old release it can be moved once it is another: by save() of three lines. What the new
  // one does not take stays.
  const json status = supervisor_->status();
  ASSERT_EQ(status.at("late").size(), 1U) << status;
  EXPECT_EQ(status.at("late").at(0).at("unmovable"), 1);
  EXPECT_EQ("1 3 - -", bad().ask("b"));
  clients_[kBad].reset();
  supervisor_->wait_for_status([](const json& s) { return s.at("late").empty(); });
}

TEST_P(UnmovableUpgradeTest, ItIsClosed) {
  start("close");
  const json planned = plan(0);
  EXPECT_EQ(planned.at("sessions").at("close"), 1);
  EXPECT_THAT(planned.at("sentence").get<std::string>(),
              HasSubstr("disconnect 1 session that can't be moved: 19 sessions would move"));
  const auto upgrade = supervisor_->upgrade(steps(2), GetParam().new_options);
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  const json sessions = upgrade.done().at("sessions");
  EXPECT_EQ(sessions.at("moved"), kClients - 1);
  EXPECT_EQ(sessions.at("waiting"), 0);
  EXPECT_EQ(sessions.at("closed"), 1);
  EXPECT_EQ(sessions.at("lost"), 0);
  ASSERT_EQ(sessions.at("unmoved").size(), 1U);
  expect_named(sessions.at("unmoved").at(0));
  EXPECT_EQ("RESET", bad().line());
  expect_others_move();
}

TEST_P(UnmovableUpgradeTest, ItRefusesTheUpgrade) {
  start("refuse");
  const json planned = plan(1);
  EXPECT_THAT(planned.at("sentence").get<std::string>(), HasSubstr(GetParam().reason));
  const Footprint before(*supervisor_);
  const auto upgrade = supervisor_->upgrade(steps(2), GetParam().new_options);
  EXPECT_EQ(upgrade.status, 1) << upgrade.describe();
  const json error = upgrade.done().at("error");
  EXPECT_EQ(error.at("failed"), GetParam().side);
  EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr(GetParam().reason));
  EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr(bad_peer()));
  before.expect_unchanged();
  EXPECT_EQ("1 3 - -", bad().ask("b"));
}

}  // namespace
}  // namespace handoff::test
