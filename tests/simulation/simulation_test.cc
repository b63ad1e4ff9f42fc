// Explores the world of donor and heir: exhaustively within small bounds, and each seeded bug until
// it is caught. Prints how much it has seen.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <unordered_set>

#include "world.h"

namespace handoff::simulation {
namespace {

struct Hash {
  std::size_t operator()(const World& world) const { return world.hash(); }
};

struct Outcome {
  std::size_t states = 0;
  std::size_t ends = 0;
  std::optional<std::string> violation;
  std::vector<Step> trace;
};

bool is_fault(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kDonorDies:
    case Step::Kind::kHeirDies:
    case Step::Kind::kDonorHangs:
    case Step::Kind::kHeirHangs:
    case Step::Kind::kDonorMoves:
    case Step::Kind::kHeirMoves:
    case Step::Kind::kHeirRefuses:
      return true;
    default:
      return false;
  }
}

// Depth first, without recursion; stops at the first violation.
Outcome explore(Bug bug, Limits limits) {
  Outcome out;
  std::unordered_set<World, Hash> seen;
  struct Frame {
    World world;
    std::vector<Step> steps;
    std::size_t next = 0;
  };
  std::vector<Frame> stack;
  const auto enter = [&](World world) {
    if (!seen.insert(world).second) return true;
    out.violation = world.violation();
    auto steps = world.steps();
    if (std::all_of(steps.begin(), steps.end(), is_fault)) {
      ++out.ends;
      if (!out.violation) out.violation = world.violation_at_end();
    }
    stack.push_back({std::move(world), std::move(steps)});
    return !out.violation;
  };
  if (!enter(World(bug, limits))) return out;
  while (!stack.empty()) {
    Frame& top = stack.back();
    if (top.next == top.steps.size()) {
      stack.pop_back();
      continue;
    }
    World next = top.world;
    next.take(top.steps[top.next++]);
    if (!enter(std::move(next))) {
      for (const Frame& frame : stack) {
        if (frame.next > 0) out.trace.push_back(frame.steps[frame.next - 1]);
      }
      break;
    }
  }
  out.states = seen.size();
  return out;
}

std::string show(const Outcome& outcome) {
  std::string text = outcome.violation.value_or("nothing");
  for (const Step& step : outcome.trace) text += "\n  " + describe(step);
  return text;
}

TEST(SimulationTest, NoInterleavingBreaksAnInvariant) {
  std::size_t states = 0;
  std::size_t ends = 0;
  for (const Limits& limits :
       {Limits{.sessions = 0, .moves = 0, .deaths = 2, .hangs = 2, .refusals = 1},
        Limits{.sessions = 1, .moves = 2, .deaths = 2, .hangs = 1, .refusals = 1},
        Limits{.sessions = 2, .moves = 2, .deaths = 2, .hangs = 1, .refusals = 0},
        Limits{.sessions = 3, .moves = 1, .deaths = 1, .hangs = 1, .refusals = 1}}) {
    const Outcome outcome = explore(Bug::kNone, limits);
    EXPECT_FALSE(outcome.violation) << limits.sessions << " sessions: " << show(outcome);
    states += outcome.states;
    ends += outcome.ends;
  }
  std::printf("explored %zu states, %zu ends\n", states, ends);
  EXPECT_GT(ends, 100U);
}

class SeededBugTest : public ::testing::TestWithParam<int> {};

TEST_P(SeededBugTest, IsCaught) {
  const auto bug = static_cast<Bug>(GetParam());
  const Outcome outcome =
      explore(bug, {.sessions = 1, .moves = 2, .deaths = 2, .hangs = 1, .refusals = 1});
  EXPECT_TRUE(outcome.violation) << name(bug) << " goes unnoticed in " << outcome.states
                                 << " states";
  if (outcome.violation) {
    std::printf("%s: %s after %zu states, %zu steps\n", name(bug), outcome.violation->c_str(),
                outcome.states, outcome.trace.size());
  }
}

INSTANTIATE_TEST_SUITE_P(All, SeededBugTest, ::testing::Range(1, kBugs),
                         [](const auto& bug) { return name(static_cast<Bug>(bug.param)); });

}  // namespace
}  // namespace handoff::simulation
