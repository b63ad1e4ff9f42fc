// The supervisor takes back a release that is not well, and clients notice nothing: echo and kv
// under the real supervisor, with a health check that fails once a file exists.
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>

#include "support/clients/line_client.h"
#include "support/clients/resp_client.h"
#include "support/process/files.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

class GoingBackTest : public ::testing::Test {
 protected:
  std::string config() const {
    return "probation = \"1h\"\nhealth = { type = \"exec\", command = [\"test\", \"!\", \"-e\", "
           "\"" +
           omen() + "\"], interval = \"20ms\", failures = 2 }\n";
  }
  std::string omen() const { return dir_ / "omen"; }
  void make_ill() const { write_file(omen(), ""); }

  static json back(const Supervisor& supervisor) {
    return supervisor.wait_for_status([](const json& status) {
      return status.at("release") == "1.0" && status.at("standing") == "permanent" &&
             status.at("state") == "running";
    });
  }

  TempDir dir_;
};

TEST_F(GoingBackTest, EchosSessionsAreWithTheReleaseBeforeAgain) {
  Supervisor supervisor({.command = {program("handoff-echo-1")}, .config = config()});
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  ASSERT_EQ(supervisor.upgrade(program("handoff-echo-2")).status, 0);
  EXPECT_EQ(client.ask("b"), "2 2 b");
  make_ill();
  const json status = back(supervisor);
  EXPECT_EQ(status.at("sessions"), 1);
  EXPECT_EQ(status.at("last_upgrade").at("sessions").at("lost"), 0);
  EXPECT_EQ(client.ask("c"), "3 1 c");
}

TEST_F(GoingBackTest, KvsDataAndTransactionsAreWithTheReleaseBeforeAgain) {
  Supervisor supervisor({.command = {program("handoff-kv-1")}, .name = "kv", .config = config()});
  RespClient client(supervisor.port());
  EXPECT_EQ(client.ask("SET key before"), "OK");
  ASSERT_EQ(supervisor.upgrade(program("handoff-kv-2")).status, 0);
  EXPECT_EQ(client.ask("SET other provisional"), "OK");
  EXPECT_EQ(client.ask("MULTI"), "OK");
  EXPECT_EQ(client.ask("GET other"), "QUEUED");
  make_ill();
  back(supervisor);
  EXPECT_EQ(client.ask("EXEC"), "[provisional]");
  EXPECT_EQ(client.ask("GET key"), "before");
}

TEST_F(GoingBackTest, AShareGivesBackWhatItHas) {
  Supervisor supervisor({.command = {program("handoff-echo-1")}, .config = config()});
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<LineClient>(supervisor.port()));
    EXPECT_EQ(clients.back()->ask("a"), "1 1 a");
  }
  const auto upgrade = supervisor.upgrade(program("handoff-echo-2"), {},
                                          {"--progressive", "50%,100%", "--pause", "1h"});
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  int moved = 0;
  for (auto& client : clients) moved += client->ask("b") == "2 2 b" ? 1 : 0;
  EXPECT_GT(moved, 0);
  EXPECT_LT(moved, 40);
  make_ill();
  supervisor.wait_for_status([](const json& status) {
    return status.at("release") == "1.0" && status.at("state") == "running" &&
           status.at("late").empty() && status.at("sessions") == 40;
  });
  for (auto& client : clients) EXPECT_EQ(client->ask("c"), "3 1 c");
}

TEST_F(GoingBackTest, WhoCantGoBackByAHandoffGoesBackByAStart) {
  Supervisor supervisor({.command = {program("handoff-echo-1")}, .config = config()});
  const int port = supervisor.port();
  LineClient client(port);
  EXPECT_EQ(client.ask("a"), "1 1 a");
  ASSERT_EQ(supervisor.upgrade(program("handoff-echo-2")).status, 0);
  ASSERT_EQ(::kill(supervisor.service_pid(), SIGKILL), 0);
  back(supervisor);
  EXPECT_EQ(supervisor.port(), port);
  LineClient fresh(port);
  EXPECT_EQ(fresh.ask("a"), "1 1 a");
}

// No health check is configured, but an answer is asked for.
TEST_F(GoingBackTest, OneThatTookTheSessionsAndHangsDoesNotStay) {
  Supervisor supervisor({.command = {program("handoff-echo-1")},
                         .config = "probation = \"1h\"\nstall_timeout = \"1s\"\n"});
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  const auto upgrade = supervisor.upgrade(program("bad_heir"), {"hangs-as-the-owner"});
  EXPECT_EQ(upgrade.status, 0) << upgrade.describe() << "\nby the donor's word it owns them";
  back(supervisor);
  const auto failed = supervisor.history("probation_failed");
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0].at("error").at("message"), "it has not answered for 5.00 s");
  LineClient fresh(supervisor.port());
  EXPECT_EQ(fresh.ask("a"), "1 1 a");
}

}  // namespace
}  // namespace handoff::test
