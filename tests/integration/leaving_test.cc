// A service that leaves by itself, under the real supervisor: it is not started again, status and
// history say why, also under the next supervisor, and a restart brings it back.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

#include "support/clients/line_client.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kWhy = "it has left by itself: all is done";

TEST(LeavingTest, IsNotStartedAgainUntilSomebodyDoes) {
  Supervisor supervisor({.command = {program("steps-1"), "--leaves", "2"}, .name = "steps"});
  LineClient client(supervisor.port());
  EXPECT_EQ("1 1 - -", client.ask("a"));
  client.say("a");
  supervisor.wait_for_status([](const json& s) { return s.at("state") == "stopped"; });
  const json status = supervisor.status();
  EXPECT_EQ(status.at("problem").at("message"), kWhy);
  EXPECT_EQ(status.at("restarts"), 0);
  EXPECT_THAT(supervisor.command({"status"}).out, HasSubstr(kWhy));
  const json recorded = supervisor.history("left").back();
  EXPECT_EQ(recorded.at("why"), "all is done");
  EXPECT_EQ(recorded.at("by"), "service");

  supervisor.kill();
  supervisor.start_again_until("stopped");
  EXPECT_EQ(supervisor.status().at("problem").at("message"), kWhy);

  const auto started = supervisor.command({"restart", "steps"});
  EXPECT_EQ(started.status, 0) << started.err;
  LineClient fresh(supervisor.port());
  EXPECT_EQ("1 1 - -", fresh.ask("a"));
  EXPECT_EQ(supervisor.status().at("problem"), nullptr);
}

}  // namespace
}  // namespace handoff::test
