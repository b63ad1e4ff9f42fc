// A service with a region under a real supervisor: `handoff upgrade` there and back with every byte
// where it was, `handoff plan`, and upgrades that are refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "support/clients/line_client.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/footprint.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

constexpr std::uint64_t kSize = std::uint64_t{64} << 20;

std::string region(int release) { return program("region_service-" + std::to_string(release)); }

class RegionUpgradeTest : public ::testing::Test {
 protected:
  void start(std::uint64_t size) {
    supervisor_.emplace(Supervisor::Options{.command = {region(1)}, .name = "region"});
    client_.emplace(supervisor_->port());
    ASSERT_EQ("1 " + std::to_string(size), say("grow " + std::to_string(size)));
    ASSERT_EQ("1 " + std::to_string(size), say("fill 3"));
  }
  // The sum, without the number of the release in front.
  std::string sum() { return say("sum").substr(2); }
  std::string say(const std::string& line) {
    client_->say(line);
    return client_->next(Deadline::in(std::chrono::seconds(60)));
  }
  Supervisor::Outcome upgrade(int release, std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {"--release", std::to_string(release)});
    return supervisor_->upgrade(region(release), arguments);
  }

  std::optional<Supervisor> supervisor_;
  std::optional<LineClient> client_;
};

TEST_F(RegionUpgradeTest, GoesThereAndBackWithEveryByteWhereItWas) {
  start(kSize);
  const std::string before = sum();
  auto done = upgrade(2);
  ASSERT_EQ(done.status, 0) << done.describe();
  EXPECT_EQ(done.done().at("sessions").at("moved"), 1);
  EXPECT_LT(done.done().at("bytes").get<std::uint64_t>(), kSize / 1000) << "it was not copied";
  EXPECT_EQ("2 1", say("layout"));
  EXPECT_EQ(before, sum());

  // The newer release rewrites the region in its layout, and back for the older release.
  EXPECT_EQ("2 2", say("layout 2"));
  EXPECT_EQ(before, sum());
  EXPECT_EQ("2 1", say("layout 1"));
  done = upgrade(1);
  ASSERT_EQ(done.status, 0) << done.describe();
  EXPECT_EQ(before, sum());
  EXPECT_EQ("1 " + std::to_string(2 * kSize), say("grow " + std::to_string(2 * kSize)));
  EXPECT_EQ("1 1", say("add " + std::to_string(2 * kSize / 8 - 1)));
}

TEST_F(RegionUpgradeTest, ALayoutThatTheOtherReleaseDoesNotKnowIsRefusedWithBoth) {
  start(1 << 20);
  ASSERT_EQ(upgrade(2).status, 0);
  EXPECT_EQ("2 2", say("layout 2"));
  const std::string before = sum();
  const Footprint footprint(*supervisor_);
  expect_failed(upgrade(1), "version",
                {"region 'table'", "release 2.0 writes 2", "release 1.0 reads 1"});
  footprint.expect_unchanged();
  EXPECT_EQ(before, sum());
}

TEST_F(RegionUpgradeTest, WhoDoesNotClaimItOrSaysNoChangesNothing) {
  start(1 << 20);
  const std::string before = sum();
  const Footprint footprint(*supervisor_);
  expect_failed(upgrade(2, {"--without"}), "unclaimed", {"does not claim region 'table'"});
  expect_failed(upgrade(2, {"--reject"}), "rejected",
                {"region 'table'", "these counters are wrong"});
  expect_failed(upgrade(2, {"--max", "4096"}), "rejected", {"has 1048576 bytes", "at most 4096"});
  footprint.expect_unchanged();
  EXPECT_EQ(before, sum());
}

TEST_F(RegionUpgradeTest, APlanTellsItsSizeItsLayoutAndWhatWouldBeRefusedAndLeavesItAlone) {
  start(kSize);
  const std::string before = sum();
  auto plan = supervisor_->plan(region(2), {"--release", "2"});
  ASSERT_EQ(plan.status, 0) << plan.describe();
  const auto done = plan.done();
  const auto& states =
      done.at("states");  // a release may have kinds that this one knows nothing of
  const auto table =
      std::ranges::find(states, "table", [](const auto& one) { return one.at("kind"); });
  ASSERT_NE(table, states.end()) << plan.describe();
  EXPECT_EQ(table->at("region"), true);
  EXPECT_EQ(table->at("travels"), 1);
  EXPECT_EQ(done.at("bytes").at("regions"), kSize);
  EXPECT_LT(done.at("memory").at("needed").get<std::uint64_t>(), kSize) << "it is there already";
  EXPECT_EQ(done.at("way_back").at("possible"), true) << "an upgrade does not refuse it, either";
  EXPECT_NE(done.at("way_back").at("once_rewritten").at(0).get<std::string>().find("table"),
            std::string::npos);

  plan = supervisor_->plan(region(2), {"--release", "2", "--max", "4096"});
  EXPECT_EQ(plan.status, 1) << plan.describe();
  EXPECT_NE(plan.describe().find("at most 4096"), std::string::npos) << plan.describe();
  EXPECT_EQ(before, sum());
}

}  // namespace
}  // namespace handoff::test
