// A listener whose address is another in the configuration by now: it stays until an upgrade moves
// it, and the operator is told wherever he looks.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/own_network.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using nlohmann::json;

constexpr const char* kNew = "tcp:127.0.0.2:0";

class ElsewhereTest : public ::testing::Test {
 protected:
  void configure(const std::string& address) const {
    write_file(path_, "[service.steps]\ncommand = [\"" + program("steps-1") +
                          "\"]\nlisten = { public = \"" + address + "\" }\n");
  }
  json listener() const { return supervisor_.status().at("listeners").at(0); }
  std::size_t told() const {
    const std::string log = supervisor_.log();
    std::size_t times = 0;
    for (std::size_t at = log.find(words_); at != std::string::npos;
         at = log.find(words_, at + 1)) {
      ++times;
    }
    return times;
  }
  void expect_elsewhere() {
    const json one = listener();
    EXPECT_EQ(one.at("address"), was_);
    EXPECT_EQ(one.at("configured"), kNew);
    const auto status = supervisor_.command({"status"});
    EXPECT_NE(status.out.find("! steps: " + words_), std::string::npos) << status.out;
    EXPECT_TRUE(supervisor_.says(words_));
  }

  Supervisor supervisor_;
  std::string path_ = supervisor_.dir() / "handoff.toml";
  std::string was_;
  std::string words_;
};

TEST_F(ElsewhereTest, IsToldAfterAReloadInAPlanAndUnderTheNextSupervisorUntilAnUpgradeMovesIt) {
  configure("tcp:127.0.0.1:0");
  supervisor_.start({.command = {}, .name = "steps", .file = path_});
  EXPECT_EQ(listener().at("configured"), nullptr) << "port 0 is any port";
  was_ = listener().at("address");
  words_ = "listener public listens at " + was_ + ", and the configuration says " + kNew +
           ": it moves at the next upgrade (handoff upgrade steps or handoff restart steps)";
  configure(kNew);
  ASSERT_EQ(supervisor_.command({"reload"}).status, 0);
  expect_elsewhere();
  EXPECT_EQ(told(), 1U);

  const auto plan = supervisor_.plan(program("steps-2"));
  ASSERT_EQ(plan.status, 0) << plan.describe();
  EXPECT_EQ(plan.done().at("listeners").at("elsewhere"),
            json::array({{{"name", "public"}, {"address", was_}, {"configured", kNew}}}));
  const auto text = supervisor_.command({"plan", "steps", program("steps-2")});
  EXPECT_NE(text.out.find("public would go from " + was_ + " to " + kNew), std::string::npos)
      << text.out;

  const auto failed = supervisor_.upgrade("/bin/false");
  ASSERT_EQ(failed.status, 1) << failed.describe();
  expect_elsewhere();
  EXPECT_EQ(told(), 1U) << "once";

  supervisor_.kill();
  supervisor_.start_again();
  expect_elsewhere();
  EXPECT_EQ(told(), 2U);

  for (const bool permanent : {false, true}) {
    if (permanent) {
      ASSERT_EQ(supervisor_.command({"commit", "steps"}).status, 0);
    } else {
      ASSERT_EQ(supervisor_.upgrade(program("steps-2")).status, 0);
    }
    const json moved = listener();
    EXPECT_EQ(moved.at("configured"), nullptr) << permanent;
    EXPECT_EQ(moved.at("address").get<std::string>().find("tcp:127.0.0.2:"), 0U) << moved;
    EXPECT_EQ(moved.contains("also"), !permanent);
    const auto status = supervisor_.command({"status"});
    EXPECT_EQ(status.out.find("the configuration says"), std::string::npos) << status.out;
  }
  EXPECT_EQ(told(), 2U);
}

// And back: what the file says again is where the listener is.
TEST_F(ElsewhereTest, IsNotToldAnyMoreOnceTheFileIsAsItWas) {
  configure("tcp:127.0.0.1:0");
  supervisor_.start({.command = {}, .name = "steps", .file = path_});
  configure(kNew);
  ASSERT_EQ(supervisor_.command({"reload"}).status, 0);
  EXPECT_EQ(listener().at("configured"), kNew);
  configure("tcp:127.0.0.1:0");
  ASSERT_EQ(supervisor_.command({"reload"}).status, 0);
  EXPECT_EQ(listener().at("configured"), nullptr);
}

// Seen: its interface was lost, so that it was elsewhere for ever; an upgrade tried to bind it
// again and was refused.
TEST_F(ElsewhereTest, AnAddressOfOneLinkIsInItsPlaceAlsoUnderTheNextSupervisor) {
  enter_own_network();
  const std::string lo = std::string("tcp:[") + kLinkLocal + "]:";
  configure("tcp:[fe80::1%1]:0");  // lo by its number
  supervisor_.start({.command = {}, .name = "steps", .file = path_});
  const json was = listener();
  EXPECT_EQ(was.at("configured"), nullptr) << was;
  EXPECT_EQ(was.at("address").get<std::string>().find(lo), 0U) << was;
  LineClient client(was.at("address").get<std::string>());
  EXPECT_EQ(client.ask("a"), "1 1 - -");
  configure(was.at("address"));
  ASSERT_EQ(supervisor_.command({"reload"}).status, 0);
  supervisor_.kill();
  supervisor_.start_again();
  EXPECT_EQ(listener(), was);
  const auto check = supervisor_.command({"check", "--config", path_});
  EXPECT_EQ(check.status, 0) << check.describe();
  const auto upgrade = supervisor_.upgrade(program("steps-2"));
  ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(listener(), was);
  EXPECT_EQ(client.ask("b"), "2 2 - -");
}

}  // namespace
}  // namespace handoff::test
