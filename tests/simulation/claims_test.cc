// Each pair of releases that claim different things, under each policy: nothing is lost without a
// word, nothing is taken for something else, and there is always a way back.
#include "claims.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <vector>

namespace handoff::simulation {
namespace {

using supervisor::UnclaimedPolicy;

std::vector<UnclaimedPolicy> policies() {
  using Listeners = UnclaimedPolicy::Listeners;
  using Sections = UnclaimedPolicy::Sections;
  using Sessions = UnclaimedPolicy::Sessions;
  std::vector<UnclaimedPolicy> out;
  const std::vector<std::optional<Listeners>> listeners{
      {}, Listeners::kKeep, Listeners::kClose, Listeners::kRefuse};
  const std::vector<std::optional<Sections>> sections{{}, Sections::kDrop, Sections::kRefuse};
  const std::vector<std::optional<Sessions>> sessions{{}, Sessions::kLate, Sessions::kRefuse};
  for (const auto& a : listeners) {
    for (const auto& b : sections) {
      for (const auto& c : sessions) out.push_back({a, b, c});
    }
  }
  return out;
}

struct Looked {
  std::size_t ways = 0;
  std::optional<std::string> wrong;
};

Looked look(ClaimBug bug) {
  Looked out;
  const auto all = policies();
  for (unsigned older = 0; older < kShapes; ++older) {
    for (unsigned newer = 0; newer < kShapes; ++newer) {
      for (const UnclaimedPolicy& policy : all) {
        ++out.ways;
        const auto wrong = upgrade_and_go_back(shape(older), shape(newer), policy, bug);
        if (!wrong) continue;
        out.wrong = describe(shape(older)) + " -> " + describe(shape(newer)) + " with " +
                    describe(policy) + ": " + *wrong;
        return out;
      }
    }
  }
  return out;
}

TEST(ClaimsTest, NoPairOfReleasesLosesAnythingWithoutAWordOrHasNoWayBack) {
  const Looked looked = look(ClaimBug::kNone);
  EXPECT_FALSE(looked.wrong) << *looked.wrong;
  std::printf("%zu ways there and back\n", looked.ways);
  EXPECT_EQ(looked.ways, std::size_t{kShapes} * kShapes * 36);
}

class SeededClaimBugTest : public ::testing::TestWithParam<int> {};

TEST_P(SeededClaimBugTest, IsCaught) {
  const auto bug = static_cast<ClaimBug>(GetParam());
  const Looked looked = look(bug);
  EXPECT_TRUE(looked.wrong) << name(bug) << " goes unnoticed on " << looked.ways << " ways";
  if (looked.wrong) std::printf("%s: %s\n", name(bug), looked.wrong->c_str());
}

INSTANTIATE_TEST_SUITE_P(All, SeededClaimBugTest, ::testing::Range(1, kClaimBugs),
                         [](const auto& bug) {
                           return std::string(name(static_cast<ClaimBug>(bug.param)));
                         });

}  // namespace
}  // namespace handoff::simulation
