// Every interleaving of messages, timers, deaths and hangs of donor, heir and supervisor, with
// sessions that receive bytes at any time, within the bounds below. In every state the invariants
// hold, and every run ends, with what the fault table promises.
//
// The bounds are on what may go wrong, never on the order. Bytes may move whenever their owner may
// touch them, without a bound, since a world only knows which copies of a state are still current.
// Each process may also die between any two effects of one step.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <set>

#include "explore.h"

namespace handoff::simulation {
namespace {

struct Bound {
  const char* name;
  std::uint8_t sessions;
  Limits limits;  // deaths, hangs, refusals, cancels
  bool patient = true;
  bool shared = false;
  core::Unmovable unmovable = core::Unmovable::kRefuse;
};

// Each bound is exhaustive for what it allows to go wrong. The deepest have no session, or one:
// every decision is about all sessions at once. Further sessions differ only in when they are
// copied, which of them move meanwhile, and which are lost.
const Bound kBounds[] = {
    {.name = "NoSessions", .sessions = 0, .limits = {3, 3, 2, 1}},
    {.name = "OneSession", .sessions = 1, .limits = {3, 2, 1, 1}},
    {.name = "TwoSessions", .sessions = 2, .limits = {2, 1, 1, 1}},
    {.name = "TwoSessionsAndTwoHangs", .sessions = 2, .limits = {2, 2, 0, 0}},
    {.name = "ThreeSessions", .sessions = 3, .limits = {2, 1, 1, 0}},
    {.name = "ThreeSessionsAndACancel", .sessions = 3, .limits = {1, 0, 1, 1}},
    // After a crash in mid-copy all of them are lost, after Prepare none.
    {.name = "SessionsThatShareState", .sessions = 2, .limits = {2, 1, 0, 0}, .shared = true},
    // The supervisor may lose its patience at any time. Its report may then be wrong, but it must
    // not end a process that has told it that it owns the sessions.
    {.name = "AnImpatientSupervisor", .sessions = 1, .limits = {2, 1, 1, 1}, .patient = false},
    // Sessions that can't be moved: save() fails, or the heir refuses them, early or late.
    {.name = "OneThatMayStay",
     .sessions = 1,
     .limits = {2, 1, 2, 1},
     .unmovable = core::Unmovable::kLate},
    {.name = "TwoThatMayStay",
     .sessions = 2,
     .limits = {1, 1, 2, 0},
     .unmovable = core::Unmovable::kLate},
    {.name = "TwoThatMayBeClosed",
     .sessions = 2,
     .limits = {1, 1, 2, 0},
     .unmovable = core::Unmovable::kClose},
};
void PrintTo(const Bound& bound, std::ostream* out) { *out << bound.name; }

class ExhaustiveTest : public ::testing::TestWithParam<Bound> {
 protected:
  static void TearDownTestSuite() {
    std::printf("explored in all %zu states, %zu steps between them, %.2g runs, in %.1f s\n",
                states, steps, runs, seconds);
  }
  static std::size_t states, steps;
  static double runs, seconds;
};
std::size_t ExhaustiveTest::states = 0;
std::size_t ExhaustiveTest::steps = 0;
double ExhaustiveTest::runs = 0;
double ExhaustiveTest::seconds = 0;

TEST_P(ExhaustiveTest, NoInterleavingBreaksAnInvariant) {
  const Bound& bound = GetParam();
  Machines machines;
  const Simulation simulation({machines, Bug::kNone, bound.patient});
  const auto begun = std::chrono::steady_clock::now();
  const Explored explored =
      explore(simulation, World(bound.sessions, bound.limits, bound.shared, bound.unmovable));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::printf(
      "%s: %d sessions, up to %d deaths, %d hangs, %d refusals, %d cancels: explored %zu states, "
      "%zu steps between them, %zu ends (in %zu the donor has handed over, in %zu it serves on), "
      "%.2g runs of up to %zu steps, in %.1f s\n",
      bound.name, bound.sessions, bound.limits.deaths, bound.limits.hangs, bound.limits.refusals,
      bound.limits.cancels, explored.states, explored.steps, explored.ends, explored.switched,
      explored.donor_serves, explored.runs, explored.depth, took.count());
  states += explored.states;
  steps += explored.steps;
  runs += explored.runs;
  seconds += took.count();
  EXPECT_FALSE(explored.violation) << show(explored);
  EXPECT_GT(explored.switched, 0U);
  EXPECT_GT(explored.donor_serves, 0U);
}

INSTANTIATE_TEST_SUITE_P(Within, ExhaustiveTest, ::testing::ValuesIn(kBounds),
                         [](const auto& bound) { return std::string(bound.param.name); });

// Whatever happens in a rehearsal, the donor serves on, unless it dies by itself.
TEST(RehearsalSimulationTest, NoInterleavingFreezesTheDonorOrHandsAnythingOver) {
  Machines machines(true);
  for (const std::uint8_t sessions : {0, 1, 2}) {
    const Explored explored =
        explore(Simulation({machines}),
                World(sessions, {.deaths = 2, .hangs = 2, .refusals = 1, .cancels = 1}));
    EXPECT_FALSE(explored.violation) << show(explored);
    EXPECT_EQ(explored.switched, 0U);
    EXPECT_GT(explored.donor_serves, 0U);
    EXPECT_GT(explored.states, 1000U);
  }
}

// A state that was never reached was not tested.
TEST(ExhaustiveCoverageTest, EveryStateOfTheThreeMachinesIsReached) {
  Machines machines;
  const Simulation simulation({machines});
  explore(simulation, World(1, {.deaths = 1, .hangs = 1, .refusals = 1, .cancels = 1}));
  std::set<core::DonorState> donor;
  for (Id id = 0; id < machines.donors().states(); ++id) donor.insert(machines.donor(id).state());
  std::set<core::HeirState> heir;
  for (Id id = 0; id < machines.heirs().states(); ++id) heir.insert(machines.heir(id).state());
  std::set<supervisor::Upgrade::State> upgrade;
  for (Id id = 0; id < machines.upgrades().states(); ++id) {
    upgrade.insert(machines.upgrade(id).state());
  }
  EXPECT_EQ(donor.size(), std::size_t{core::kDonorStates});
  EXPECT_EQ(heir.size(), std::size_t{core::kHeirStates});
  EXPECT_EQ(upgrade.size(), 7U);
}

}  // namespace
}  // namespace handoff::simulation
