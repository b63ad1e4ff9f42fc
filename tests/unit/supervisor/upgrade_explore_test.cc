// Every order of events from a donor, an heir and the clock, to a depth at which each state has met
// each event. The rules must hold at each step, and every way must lead to an end.
#include <gtest/gtest.h>

#include <vector>

#include "show.h"
#include "supervisor/core/upgrade.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;
using State = Upgrade::State;

struct World {
  Upgrade upgrade{1, 2, Timeouts{}, at(0ms)};
  Time clock = at(0ms);
  bool alive[3] = {false, true, true};
  bool killed[3] = {false, false, false};
  bool heir_owns = false;
  bool nobody = false;
  bool retired = false;
  bool gave_all = false;
  bool late = false;      // the donor has sessions left
  bool resumed = false;   // another supervisor had begun it
  bool recovers = false;  // the donor is the reader of a vault, and is started with its heir
  bool donor_ready = true;
  bool heir_ready = false;
  bool heir_spoke = false;
  bool claimed = false;    // the heir has said that it owns the sessions
  bool heir_known = true;  // the heir, or the donor about it, has said whether it owns
  std::string story;
};

const Exit kCrash{true, 11, false};

const std::vector<std::pair<const char*, Event>>& events() {
  static const std::vector<std::pair<const char*, Event>> all{
      {"registered", Registered{2}},
      {"owned", Owned{.generation = 2, .handoff_id = 2, .sessions = 5}},
      {"owned-lost", Owned{.generation = 2, .handoff_id = 2, .sessions = 3, .lost = 2}},
      {"heir-failed", HandoffFailed{2, 2, "rejected", "no"}},
      {"heir-exited", Exited{2, kCrash}},
      {"copy", Progressed{.generation = 1, .handoff_id = 2, .phase = CopyPhase::kCopy}},
      {"switch", Progressed{.generation = 1, .handoff_id = 2, .phase = CopyPhase::kSwitch}},
      {"donor-failed", HandoffFailed{1, 2, "peer_died", "gone"}},
      {"retired", DonorRetired{.generation = 1, .handoff_id = 2, .sessions = 5}},
      {"retired-heir-died",
       DonorRetired{.generation = 1, .handoff_id = 2, .sessions = 5, .lost = 5, .heir_died = true}},
      {"late", DonorLate{.generation = 1, .handoff_id = 2, .waiting = 2}},
      {"donor-exited", Exited{1, kCrash}},
      {"tick", Tick{}}};
  return all;
}

// Further events for a supervisor that resumes the handoff of another.
const std::vector<std::pair<const char*, Event>>& returns() {
  static const std::vector<std::pair<const char*, Event>> all{
      {"heir-returned", Registered{2, true, 2}},
      {"donor-returned", Registered{1, true, 2}},
      {"donor-returned-free", Registered{1, true, 0}},
      {"donor-owns", Owned{.generation = 1}}};
  return all;
}

// Further events of a rehearsal.
const std::vector<std::pair<const char*, Event>>& rehearsals() {
  static const std::vector<std::pair<const char*, Event>> all{
      {"heir-registered-to-rehearse", Registered{.generation = 2, .rehearsal = true}},
      {"heir-rehearsed", Rehearsed{2, 2, true}},
      {"heir-rehearsed-in-part", Rehearsed{2, 2, false}}};
  return all;
}

// Further events of a recovery.
const std::vector<std::pair<const char*, Event>>& readings() {
  static const std::vector<std::pair<const char*, Event>> all{
      {"donor-owns", Owned{.generation = 1}},
      {"donor-not-started", SpawnFailed{1, "no such file"}}};
  return all;
}

// The process that must be alive for the event; 0 for the clock.
Generation speaker(const std::string& name) {
  if (name == "tick") return 0;
  return name == "registered" || name.starts_with("owned") || name.starts_with("heir") ? 2 : 1;
}

void follow(World& world, const Upgrade::Step& step, bool by_the_clock) {
  SCOPED_TRACE(world.story);
  if (step.turn == Upgrade::Turn::kHeirOwns) {
    ASSERT_TRUE(world.retired || !world.alive[1] || by_the_clock) << "by the heir's word alone";
    ASSERT_FALSE(world.heir_owns) << "owned twice";
    ASSERT_FALSE(world.nobody) << "owned after nobody did";
    ASSERT_TRUE(world.alive[2]);
    world.heir_owns = true;
  }
  if (step.turn == Upgrade::Turn::kNobodyOwns) {
    ASSERT_FALSE(world.nobody);
    ASSERT_FALSE(world.heir_owns) << "an heir's own death is not the handoff's";
    world.nobody = true;
  }
  for (const Effect& effect : step.effects) {
    if (std::holds_alternative<SendDonate>(effect)) {
      ASSERT_TRUE(world.donor_ready && world.heir_ready);
    }
    const auto* signal = std::get_if<Signal>(&effect);
    if (signal == nullptr) continue;
    if (signal->generation == 1) {
      ASSERT_TRUE(world.heir_owns || world.nobody || world.retired ||
                  (world.claimed && !world.alive[2]))
          << "a donor that serves was signalled";
      ASSERT_FALSE(world.late) << "a donor that has sessions left was signalled";
    } else {
      ASSERT_FALSE(world.heir_owns) << "an heir that serves was signalled";
      ASSERT_TRUE(world.heir_known) << "an heir that may be the owner was signalled";
    }
    ASSERT_TRUE(world.alive[signal->generation]);
    if (signal->kill) world.killed[signal->generation] = true;
  }
  if (world.upgrade.state() == State::kOver) {
    const Report& report = world.upgrade.report();
    if (world.heir_owns) {
      ASSERT_TRUE(world.retired || !world.alive[1]) << "over while the old process has sessions";
      ASSERT_TRUE(world.late || !world.alive[1] || world.upgrade.donor_leaves_by())
          << "over, and nobody sees to it that the old process goes";
      ASSERT_NE(report.result, Report::Result::kFailed);
    } else if (!world.nobody) {
      ASSERT_TRUE(report.result == Report::Result::kFailed ||
                  (report.result == Report::Result::kRehearsed && world.upgrade.rehearsal()));
      ASSERT_TRUE(world.alive[1]);
      ASSERT_FALSE(world.alive[2]) << "over while the failed heir is still there";
    }
    if (report.result != Report::Result::kDone && report.result != Report::Result::kRehearsed) {
      ASSERT_NE(report.message, "");
      ASSERT_NE(report.code, "");
    }
  } else {
    const bool waits_for_exit =
        (world.killed[1] && world.alive[1]) || (world.killed[2] && world.alive[2]);
    const bool waits_for_return = world.resumed && !world.heir_spoke && world.alive[2];
    ASSERT_TRUE(world.upgrade.deadline() || waits_for_exit || waits_for_return)
        << "it would wait for ever";
  }
}

void apply(World& world, const char* name, const Event& event) {
  if (const auto* exited = std::get_if<Exited>(&event)) world.alive[exited->generation] = false;
  if (const auto* failed = std::get_if<SpawnFailed>(&event)) {
    world.alive[failed->generation] = false;
  }
  if (std::holds_alternative<DonorRetired>(event)) world.retired = true;
  // A donor's word means nothing before the donor was asked for anything.
  if (world.upgrade.state() != State::kStarting) {
    if (std::holds_alternative<DonorRetired>(event)) world.gave_all = true;
    if (std::holds_alternative<DonorLate>(event) && !world.gave_all) world.late = true;
    world.retired = world.retired || world.late;
  }
  const std::string_view what(name);
  if (what.starts_with("owned")) world.claimed = true;
  if (what == "donor-owns") world.donor_ready = true;
  if (what.ends_with("registered") || what.starts_with("heir-registered")) world.heir_ready = true;
  if (what.starts_with("heir") || what.starts_with("owned")) world.heir_spoke = true;
  if (what.starts_with("heir") || what.starts_with("owned") || what == "donor-failed" ||
      what == "retired-heir-died" || what == "donor-owns") {
    world.heir_known = true;
  }
  if (std::holds_alternative<Tick>(event)) {
    world.clock = std::max(world.clock, world.upgrade.deadline().value_or(world.clock));
  } else {
    world.clock += 1ms;
  }
  world.story += std::string(name) + " ";
  follow(world, world.upgrade.step(event, world.clock), std::holds_alternative<Tick>(event));
}

// The handoff must end even if no process says anything more, and only killed ones exit.
void must_end(World world) {
  for (int i = 0; i < 30 && world.upgrade.state() != State::kOver; ++i) {
    for (const Generation who : {1, 2}) {
      if (world.killed[who] && world.alive[who]) {
        apply(world, "exit-after-kill", Exited{who, Exit{true, 9, false}});
      }
    }
    if (world.upgrade.state() != State::kOver && !world.upgrade.deadline() && world.alive[2] &&
        !world.killed[2] && world.resumed) {
      apply(world, "heir-returned", Registered{2, true, 2});
    }
    if (world.upgrade.state() != State::kOver) apply(world, "tick", Tick{});
    if (testing::Test::HasFatalFailure()) return;
  }
  ASSERT_EQ(world.upgrade.state(), State::kOver) << world.story;
}

std::size_t explore(const World& world, int depth) {
  if (testing::Test::HasFatalFailure()) return 0;
  must_end(world);
  if (depth == 0 || world.upgrade.state() == State::kOver) return 1;
  std::size_t visited = 1;
  std::vector<std::pair<const char*, Event>> possible = events();
  if (world.resumed) {
    std::erase_if(possible, [](const auto& e) { return std::string(e.first) == "registered"; });
    possible.insert(possible.end(), returns().begin(), returns().end());
  }
  if (world.recovers) possible.insert(possible.end(), readings().begin(), readings().end());
  if (world.upgrade.rehearsal()) {
    possible.insert(possible.end(), rehearsals().begin(), rehearsals().end());
  }
  for (const auto& [name, event] : possible) {
    const Generation who = speaker(name);
    if (who != 0 && !world.alive[who]) continue;
    if (who == 0 && !world.upgrade.deadline()) continue;
    World next = world;
    apply(next, name, event);
    visited += explore(next, depth - 1);
  }
  return visited;
}

TEST(UpgradeExploreTest, EveryOrderOfEventsKeepsTheRulesAndEnds) {
  const std::size_t visited = explore(World{}, 5);
  EXPECT_GT(visited, 10000U);
}

TEST(UpgradeExploreTest, EveryOrderOfEventsAfterTheCopyBegan) {
  World world;
  apply(world, "registered", Registered{2});
  EXPECT_GT(explore(world, 5), 10000U);
}

// Includes an heir that does not know that it only rehearses, and takes over.
TEST(UpgradeExploreTest, EveryOrderOfEventsOfARehearsal) {
  World world;
  world.upgrade = Upgrade(1, 2, Timeouts{}, at(0ms), true);
  EXPECT_GT(explore(world, 5), 10000U);
}

// The supervisor may have died at any step, and donor or heir may have died since.
TEST(UpgradeExploreTest, EveryOrderOfEventsThatAnotherSupervisorResumes) {
  World world;
  world.upgrade = Upgrade::resumed(1, 2, Timeouts{}, at(0ms));
  world.resumed = true;
  world.heir_known = false;
  EXPECT_GT(explore(world, 5), 10000U);
}

TEST(UpgradeExploreTest, EveryOrderOfEventsOfARehearsalThatAnotherSupervisorResumes) {
  World world;
  world.upgrade = Upgrade::resumed(1, 2, Timeouts{}, at(0ms), true);
  world.resumed = true;
  world.heir_spoke = true;  // it need not: it is no owner
  EXPECT_GT(explore(world, 4), 5000U);
}

TEST(UpgradeExploreTest, EveryOrderOfEventsOfARecovery) {
  World world;
  world.upgrade = Upgrade::recovery(1, 2, Timeouts{}, at(0ms));
  world.recovers = true;
  world.donor_ready = false;
  EXPECT_GT(explore(world, 5), 10000U);
  apply(world, "donor-owns", Owned{.generation = 1});
  apply(world, "registered", Registered{2});
  EXPECT_GT(explore(world, 5), 10000U);
}

}  // namespace
}  // namespace handoff::supervisor
