// Random long runs, beyond the bounds of the exhaustive exploration. Each run comes from one
// number, its seed:
//
//   HANDOFF_SIMULATION_RUNS=1000000 simulation_test --gtest_filter='Random*'   more of them
//   HANDOFF_SIMULATION_BASE=77 ...                                             others
//   HANDOFF_SIMULATION_SEED=4711 ...              exactly that one, and what happens in it
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "random_run.h"

namespace handoff::simulation {
namespace {

std::optional<std::uint64_t> number_from(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

TEST(RandomRunsTest, NoneBreaksAnInvariant) {
  Machines machines;
  const Simulation simulation({machines});
  if (const auto seed = number_from("HANDOFF_SIMULATION_SEED")) {
    const RandomRun run = run_randomly(simulation, *seed, true);
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(*seed), show(run).c_str());
    EXPECT_FALSE(run.violation);
    return;
  }
  const std::uint64_t base = number_from("HANDOFF_SIMULATION_BASE").value_or(1);
  const std::uint64_t runs = number_from("HANDOFF_SIMULATION_RUNS").value_or(50'000);
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(base),
              static_cast<unsigned long long>(base + runs - 1));
  const auto begun = std::chrono::steady_clock::now();
  std::size_t steps = 0;
  std::size_t handoffs = 0;
  for (std::uint64_t seed = base; seed < base + runs; ++seed) {
    const RandomRun run = run_randomly(simulation, seed, false);
    steps += run.steps;
    handoffs += run.handoffs;
    if (run.violation) {
      FAIL() << "HANDOFF_SIMULATION_SEED=" << seed
             << " replays it: " << show(run_randomly(simulation, seed, true));
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::printf("%llu runs, %zu handoffs, %zu steps, in %.1f s\n",
              static_cast<unsigned long long>(runs), handoffs, steps, took.count());
}

TEST(RandomRunsTest, TheSameSeedGivesTheSameRun) {
  std::vector<std::string> last;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Machines some;
    Machines others;  // with empty tables
    const RandomRun first = run_randomly(Simulation({some}), seed, true);
    const RandomRun second = run_randomly(Simulation({others}), seed, true);
    EXPECT_EQ(first.transcript, second.transcript) << "seed " << seed;
    EXPECT_EQ(first.steps, run_randomly(Simulation({some}), seed, false).steps) << "seed " << seed;
    EXPECT_NE(first.transcript, last) << "seed " << seed;
    last = first.transcript;
  }
}

TEST(RandomRunsTest, AFailureTellsItsSeedsStory) {
  Machines machines;
  const Simulation broken({machines, Bug::kTermBeforeOwner});
  RandomRun run;
  for (std::uint64_t seed = 1; !run.violation && seed < 1000; ++seed) {
    run = run_randomly(broken, seed, true);
  }
  ASSERT_TRUE(run.violation);
  EXPECT_NE(show(run).find("supervisor hears of the donor: Progress(switch)"), std::string::npos);
}

}  // namespace
}  // namespace handoff::simulation
