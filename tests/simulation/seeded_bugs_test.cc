// Tests of the simulation itself: it must find something wrong with each of the seeded bugs.
#include <gtest/gtest.h>

#include <cstdio>

#include "explore.h"
#include "random_run.h"

namespace handoff::simulation {
namespace {

class SeededBugTest : public ::testing::TestWithParam<int> {};

TEST_P(SeededBugTest, IsCaughtByTheExhaustiveExploration) {
  const auto bug = static_cast<Bug>(GetParam());
  Machines machines;
  const Simulation simulation({machines, bug});
  const bool of_unmovable = bug >= Bug::kRefusalsForgotten && bug <= Bug::kLateExits;
  const auto unmovable = of_unmovable ? core::Unmovable::kLate : core::Unmovable::kRefuse;
  const Explored explored =
      explore(simulation,
              World(1, {.deaths = 1, .hangs = 2, .refusals = 1, .cancels = 1}, false, unmovable));
  EXPECT_TRUE(explored.violation) << name(bug) << " goes unnoticed in " << explored.states
                                  << " states";
  if (explored.violation) {
    std::printf("%s: \"%s\" after %zu states, %zu steps from the beginning\n", name(bug),
                explored.violation->c_str(), explored.states, explored.transcript.size());
  }
}

INSTANTIATE_TEST_SUITE_P(All, SeededBugTest, ::testing::Range(1, kBugs),
                         [](const auto& bug) { return name(static_cast<Bug>(bug.param)); });

TEST(SeededBugsTest, MostAreCaughtByRandomRunsToo) {
  constexpr std::uint64_t kRuns = 20'000;
  int caught = 0;
  for (int i = 1; i < kBugs; ++i) {
    const auto bug = static_cast<Bug>(i);
    Machines machines;
    const Simulation simulation({machines, bug});
    std::uint64_t seed = 1;
    while (seed <= kRuns && !run_randomly(simulation, seed, false).violation) ++seed;
    if (seed <= kRuns) {
      ++caught;
      std::printf("%s: with seed %llu\n", name(bug), static_cast<unsigned long long>(seed));
    } else {
      std::printf("%s: not in %llu runs\n", name(bug), static_cast<unsigned long long>(kRuns));
    }
  }
  std::printf("%d of %d caught\n", caught, kBugs - 1);
  EXPECT_GE(caught, (kBugs - 1) * 4 / 5);
}

}  // namespace
}  // namespace handoff::simulation
