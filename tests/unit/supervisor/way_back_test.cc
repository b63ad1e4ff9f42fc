// Whether a release could hand back to the one that the service would go back to, which need not be
// the one that runs.
#include "supervisor/core/way_back.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace handoff::supervisor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Policy = UnclaimedPolicy;
using Versions = std::vector<std::uint32_t>;

core::Kind kind(const std::string& name, Versions reads, Versions writes) {
  return {.name = name,
          .version = reads.empty() ? 0 : reads.back(),
          .reads = reads,
          .writes = std::move(writes)};
}
core::Kind region(const std::string& name, Versions reads, std::uint32_t layout) {
  return {.name = name,
          .version = layout,
          .reads = std::move(reads),
          .writes = {layout},
          .region = true};
}
core::Named listener(const std::string& name) { return {.name = name, .address = "tcp:[::]:1"}; }
core::Manifest manifest(const std::string& release, std::vector<core::Kind> kinds,
                        std::vector<core::Named> named) {
  return {.service = "chat",
          .release = release,
          .kinds = std::move(kinds),
          .named = std::move(named),
          .knows_listeners = true};
}

const core::Manifest kOld = manifest("1.0", {kind("session", {1}, {1})}, {listener("public")});

// From a permanent release one goes back to it.
std::string past_none(const core::Manifest& newer, const core::Manifest& older,
                      const Policy& policy = {}, bool drains = false) {
  return one_way(newer, older, older, policy, drains);
}

TEST(WayBackTest, WhatAReleaseAddsIsNothingAgainstIt) {
  const auto newer = manifest("2.0",
                              {kind("session", {1, 2}, {1, 2}),
                               kind("bulk", {1}, {1}),
                               {.name = "rooms", .section = true, .reads = {1}, .writes = {1}},
                               region("table", {1}, 1)},
                              {listener("public"), listener("admin"), {.name = "log"}});
  const WayBack back = way_back(newer, kOld, false);
  EXPECT_THAT(back.against, IsEmpty());
  EXPECT_THAT(back.once_rewritten, IsEmpty());
  EXPECT_EQ(back.leaves.size(), 4U) << "a claim that nobody can meet is no fd to give";
  EXPECT_EQ(past_none(newer, kOld), "");
}

TEST(WayBackTest, AStepThatIsMissingIsOneWay) {
  const auto newer =
      manifest("2.0", {kind("session", {1, 2}, {2})}, {listener("public"), listener("admin")});
  const std::string why = past_none(newer, kOld);
  EXPECT_THAT(why, HasSubstr("there is no way back by a handoff from release 2.0 to release 1.0: "
                             "no state version in common for session kind 'session'"));
  EXPECT_EQ(why.find("probation"), std::string::npos) << why;
  EXPECT_EQ(past_none(newer, kOld, {}, true), "") << "the sessions may stay with it";
}

TEST(WayBackTest, ARegionKeepsItsLayoutUntilTheServiceRewritesIt) {
  auto older = kOld;
  auto newer = kOld;
  older.kinds.push_back(region("table", {1}, 1));
  newer.kinds.push_back(region("table", {1, 2}, 2));
  EXPECT_EQ(past_none(newer, older), "");
  const WayBack back = way_back(newer, older, false);
  EXPECT_THAT(back.against, IsEmpty());
  EXPECT_THAT(back.once_rewritten, ElementsAre(HasSubstr("region 'table'")));
}

TEST(WayBackTest, WhatWouldFailAnywayIsNotCalledOneWay) {
  const auto other = manifest("2.0", {kind("session", {2}, {2})}, {listener("public")});
  EXPECT_EQ(past_none(other, kOld), "") << "it reads no version that the old one writes";
  auto service = kOld;
  service.service = "kv";
  EXPECT_EQ(past_none(service, kOld), "");
  const auto forgetful = manifest("2.0", {kind("session", {1, 2}, {2})}, {listener("other")});
  EXPECT_EQ(past_none(forgetful, kOld), "") << "it does not claim the listener";
  EXPECT_NE(past_none(forgetful, kOld, {.listeners = Policy::Listeners::kClose}), "");
}

TEST(WayBackTest, AReleaseThatSaysNothingOfItselfHasOne) {
  const core::Manifest bare{.service = "chat", .release = "1.0"};
  EXPECT_EQ(past_none(bare, bare), "");
  EXPECT_EQ(past_none(kOld, kOld), "");
}

// ---- past a release on probation

TEST(WayBackTest, PastAReleaseOnProbationThePermanentOneCounts) {
  const auto second =
      manifest("2.0", {kind("session", {1, 2}, {1, 2})}, {listener("public"), listener("admin")});
  const auto third =
      manifest("3.0", {kind("session", {2, 3}, {2, 3})}, {listener("public"), listener("admin")});
  EXPECT_EQ(past_none(third, second), "") << "from a permanent 2.0 one goes back to it";
  const std::string why = one_way(third, second, kOld, {}, false);
  EXPECT_THAT(why, HasSubstr("from release 3.0 to release 1.0"));
  EXPECT_THAT(why, HasSubstr("release 2.0 is on probation"));
  EXPECT_THAT(why, HasSubstr("handoff commit"));
}

TEST(WayBackTest, PastAReleaseThatCouldNotBeGoneBackToNothingIsLost) {
  const auto second = manifest("2.0", {kind("session", {1, 2}, {1, 2})}, {listener("public")});
  const auto third = manifest("3.0", {kind("session", {1, 2, 3}, {1, 3})}, {listener("public")});
  auto deaf = second;
  deaf.kinds.front().reads = {2};
  EXPECT_NE(past_none(third, deaf), "");
  EXPECT_EQ(one_way(third, deaf, kOld, {}, false), "");
}

bool meet(const Versions& a, const Versions& b) {
  return std::ranges::any_of(a, [&](auto v) { return std::ranges::find(b, v) != b.end(); });
}

// All that three releases can read and write of three versions. What the one that runs reads, and
// what the one behind it writes, is nothing to it.
TEST(WayBackTest, ForEveryThreeReleasesTheWayForwardIsFromTheFirstAndTheWayBackToTheLast) {
  std::vector<Versions> subsets;
  for (unsigned bits = 0; bits < 8; ++bits) {
    Versions one;
    for (std::uint32_t v = 1; v <= 3; ++v) {
      if ((bits >> (v - 1) & 1U) != 0) one.push_back(v);
    }
    subsets.push_back(one);
  }
  int one_ways = 0;
  for (const Versions& reads : subsets) {
    for (const Versions& writes : subsets) {
      const auto newer = manifest("3.0", {kind("session", reads, writes)}, {});
      for (const Versions& runs : subsets) {
        for (const Versions& back : subsets) {
          const auto second = manifest("2.0", {kind("session", {}, runs)}, {});
          const auto first = manifest("1.0", {kind("session", back, {})}, {});
          const bool expected = meet(runs, reads) && !meet(writes, back);
          one_ways += expected ? 1 : 0;
          ASSERT_EQ(one_way(newer, second, first, {}, false) != "", expected);
          ASSERT_EQ(way_back(newer, first, false).against.empty(), meet(writes, back));
        }
      }
    }
  }
  EXPECT_GT(one_ways, 0);
}

}  // namespace
}  // namespace handoff::supervisor
