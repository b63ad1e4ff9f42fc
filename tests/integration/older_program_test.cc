// A program that was built with the library of before, its structures smaller and its functions
// fewer, runs with the library of this build: it starts, hands over to itself, and goes back.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "support/clients/line_client.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

TEST(OlderProgramTest, RunsWithTheLibraryOfThisBuild) {
  const std::string older = program("older_service");
  Supervisor supervisor({.command = {older, "1"}, .name = "older"});
  LineClient client(supervisor.port());
  LineClient other(supervisor.port());
  EXPECT_EQ("1 1", client.ask("a"));
  EXPECT_EQ("1 1", other.ask("a"));
  const auto plan = supervisor.plan(older, {"2"});
  EXPECT_EQ(plan.status, 0) << plan.describe();
  const auto upgrade = supervisor.upgrade(older, {"2"});
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(upgrade.done().at("sessions").at("moved"), 2);
  EXPECT_EQ("2 2", client.ask("a"));
  EXPECT_EQ("2 2", other.ask("all")) << "the section came, too";
  EXPECT_EQ(supervisor.command({"rollback", "older"}).status, 0);
  EXPECT_EQ("1 3", client.ask("a"));
  EXPECT_EQ("1 2", other.ask("all"));
}

}  // namespace
}  // namespace handoff::test
