// A service that talks without end holds up nobody: neither operators nor signals nor the others.
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/process/files.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

class FloodTest : public SupervisorTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(FloodTest, HoldsUpNobody) {
  const std::string config = supervisor.dir() / "handoff.toml";
  write_file(config, "[service.chat]\ncommand = [\"" + fake_service() +
                         "\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n[service.flood]\n"
                         "command = [\"" +
                         fake_service() + "\", \"--flood\", \"" + GetParam() + "\"]\n");
  supervisor.run({"--config", config});
  ASSERT_TRUE(supervisor.says("flood: running"));
  ASSERT_TRUE(supervisor.says("chat: running"));
  const auto begun = Deadline::Clock::now();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(supervisor.status("chat").at("state"), "running");
  // One that floods answers no question itself, which each status waits half a second for.
  EXPECT_LT(Deadline::Clock::now() - begun, 8s);
  const auto upgraded = supervisor.command({"upgrade", "chat", fake_service()});
  EXPECT_EQ(upgraded.status, 0) << upgraded.describe();
  const std::size_t said = supervisor.log().size();
  const auto asked = Deadline::Clock::now();
  EXPECT_EQ(supervisor.terminate().status, 0);
  EXPECT_LT(Deadline::Clock::now() - asked, 4s);
  EXPECT_LT(said, 20'000U) << "nor does it fill the log";
}

INSTANTIATE_TEST_SUITE_P(Of, FloodTest,
                         ::testing::Values("health", "owner", "progress", "register", "reconnect"),
                         [](const auto& what) { return std::string(what.param); });

}  // namespace
}  // namespace handoff::test
