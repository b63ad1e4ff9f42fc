// The release that fails an upgrade is the one that is named, to programs and to people.
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/clients/line_client.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

TEST(BlameTest, ASaveThatFailsIsTheOldReleasesFault) {
  Supervisor supervisor({.command = {program("steps-1"), "--cant-save", "1"},
                         .name = "steps",
                         .config = "unmovable = \"refuse\"\n"});
  LineClient client(supervisor.port());
  ASSERT_EQ(client.ask("one"), "1 1 - -");
  const auto failed = supervisor.upgrade(program("steps-2"));
  ASSERT_EQ(failed.status, 1) << failed.describe();
  const nlohmann::json error = failed.done().at("error");
  EXPECT_EQ(error.at("failed"), "old") << error;
  const auto message = error.at("message").get<std::string>();
  EXPECT_TRUE(message.starts_with("the old release says: save() of ")) << message;

  const auto told = supervisor.command({"upgrade", "steps", program("steps-2")});
  EXPECT_EQ(told.status, 1);
  EXPECT_NE(told.err.find("the one that runs can't hand over as it is"), std::string::npos)
      << told.err;
  EXPECT_EQ(told.err.find("correct the new one"), std::string::npos) << told.err;
  EXPECT_EQ(client.ask("two"), "1 2 - -");
}

TEST(BlameTest, ARestoreThatFailsIsTheNewReleasesFault) {
  Supervisor supervisor(
      {.command = {program("handoff-echo-1")}, .config = "unmovable = \"refuse\"\n"});
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 500; ++i) {
    clients.push_back(std::make_unique<LineClient>(supervisor.port()));
    ASSERT_EQ(clients.back()->ask("a"), "1 1 a");
  }
  const auto failed = supervisor.upgrade(program("bad_heir"), {"rejects-a-session"});
  ASSERT_EQ(failed.status, 1) << failed.describe();
  const nlohmann::json error = failed.done().at("error");
  EXPECT_EQ(error.at("failed"), "new") << error;
  const auto message = error.at("message").get<std::string>();
  EXPECT_NE(message.find("the new release gave up: "), std::string::npos) << message;
}

}  // namespace
}  // namespace handoff::test
