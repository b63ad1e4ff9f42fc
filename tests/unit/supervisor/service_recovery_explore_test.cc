// Every order of events after the death of a process that had a vault, to a depth at which
// recoveries fail at each of their steps and are begun anew. What the sessions' owners know is
// known here, too: no vault is read while somebody may own what it has, none but the newest is, and
// none is let go as long as it is the only place of its sessions.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "show.h"
#include "supervisor/core/service.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;

struct AfterDeath {
  Service service{{.name = "chat", .vault = {.max_crashes = 1, .max_recoveries = {2, 1min}}}};
  Time clock = at(0ms);
  std::set<Generation> alive;
  std::set<Generation> killed;
  std::set<Generation> spoke;
  std::set<Generation> retired;       // and may not have exited yet
  std::set<Generation> owned;         // at any time, by the kernel's truth
  std::map<Generation, bool> vaults;  // of the dead; whether its process had owned
  Generation reader = 0;
  Generation heir = 0;
  bool gave_up = false;  // or somebody has stopped it
  std::string story;

  Generation newest() const {
    Generation out = 0;
    for (const auto& [generation, of_owner] : vaults) out = of_owner ? generation : out;
    return out;
  }
};

void watch(AfterDeath& world, const Effect& effect) {
  if (const auto* spawn = std::get_if<Spawn>(&effect)) {
    if (spawn->vault_of != 0) {
      ASSERT_TRUE(std::includes(world.retired.begin(), world.retired.end(), world.alive.begin(),
                                world.alive.end()))
          << "somebody may own what the vault has";
      ASSERT_EQ(spawn->vault_of, world.newest());
      world.reader = spawn->generation;
    }
    ASSERT_EQ(spawn->vault_of == 0,
              spawn->heir || world.service.state() != Service::State::kRecovering);
    if (spawn->heir) world.heir = spawn->generation;
    ASSERT_TRUE(world.alive.insert(spawn->generation).second);
  } else if (const auto* signal = std::get_if<Signal>(&effect)) {
    ASSERT_TRUE(world.alive.contains(signal->generation));
    if (signal->kill) world.killed.insert(signal->generation);
  } else if (const auto* end = std::get_if<EndStart>(&effect)) {
    ASSERT_TRUE(world.alive.contains(end->generation));
    world.killed.insert(end->generation);
  } else if (std::holds_alternative<Crashed>(effect)) {
    world.gave_up = true;
  } else if (const auto* drop = std::get_if<DropVault>(&effect)) {
    const bool only_place = drop->generation == world.newest() && world.vaults[drop->generation];
    const Generation now = world.service.current();
    const bool serves = now > drop->generation && world.owned.contains(now);
    ASSERT_TRUE(!only_place || serves || world.gave_up);
    ASSERT_EQ(world.vaults.erase(drop->generation), 1U);
  } else if (const auto* recovered = std::get_if<Recovered>(&effect)) {
    ASSERT_TRUE(world.owned.contains(recovered->report.to));
    ASSERT_EQ(world.service.current(), recovered->report.to);
  }
}

void hear(AfterDeath& world, const std::string& name, const Event& event) {
  world.story += name + " ";
  SCOPED_TRACE(world.story);
  if (const auto* exited = std::get_if<Exited>(&event)) {
    world.alive.erase(exited->generation);
    world.killed.erase(exited->generation);
    if (exited->vault) world.vaults[exited->generation] = exited->vault->owned;
  }
  if (const auto* failed = std::get_if<SpawnFailed>(&event)) {
    world.alive.erase(failed->generation);
    world.killed.erase(failed->generation);
  }
  if (std::holds_alternative<StopRequested>(event)) world.gave_up = true;
  if (const auto* lost = std::get_if<VaultLost>(&event)) world.vaults.erase(lost->generation);
  if (const auto* gave = std::get_if<DonorRetired>(&event)) world.retired.insert(gave->generation);
  for (const Effect& effect : world.service.step(event, world.clock)) {
    world.story += "(" + show(effect) + ") ";
    watch(world, effect);
  }
  const auto state = world.service.state();
  if (state == Service::State::kRunning && !world.service.upgrading()) {
    ASSERT_TRUE(world.alive.contains(world.service.current()));
    ASSERT_TRUE(world.owned.contains(world.service.current()));
    ASSERT_TRUE(world.vaults.empty());
  }
  ASSERT_TRUE(state != Service::State::kBackoff || world.gave_up);
}

Exited end_of(const AfterDeath& world, Generation who, int signal) {
  Exited out{who, {.signalled = true, .number = signal}};
  if (who != world.reader) out.vault = VaultLeft{world.owned.contains(who), {5}};
  return out;
}

std::vector<std::pair<std::string, Event>> possible(const AfterDeath& world) {
  std::vector<std::pair<std::string, Event>> out;
  const Generation reader = world.reader;
  const Generation heir = world.heir;
  const bool owns = world.owned.contains(heir);
  if (world.alive.contains(reader)) {
    out.emplace_back("reader-registered", Registered{reader});
    out.emplace_back("reader-owns", Owned{.generation = reader});
    out.emplace_back("reader-died", end_of(world, reader, 9));
    if (!world.spoke.contains(reader)) {
      out.emplace_back("reader-not-started", SpawnFailed{reader, "no such file"});
    }
    if (owns) {
      out.emplace_back("reader-retired", DonorRetired{.generation = reader, .handoff_id = heir});
    } else {
      out.emplace_back("reader-failed", HandoffFailed{reader, heir, "peer_died", "gone"});
    }
  }
  if (world.alive.contains(heir)) {
    out.emplace_back("heir-registered", Registered{heir});
    out.emplace_back("heir-owns", Owned{.generation = heir, .handoff_id = heir});
    if (!owns) out.emplace_back("heir-failed", HandoffFailed{heir, heir, "rejected", "no"});
    out.emplace_back("heir-died", end_of(world, heir, 9));
    out.emplace_back("heir-crashed", end_of(world, heir, 11));
  }
  if (world.service.deadline()) out.emplace_back("tick", Tick{});
  if (world.newest() != 0) out.emplace_back("keeper-gone", VaultLost{world.newest()});
  if (world.service.state() != Service::State::kStopping) {
    out.emplace_back("stop", StopRequested{});
  }
  return out;
}

// What the heir says is so: it has taken the ownership word. An heir that was not given anything
// lies, and is no owner.
void apply(AfterDeath& world, const std::string& name, const Event& event) {
  if (std::holds_alternative<Tick>(event)) {
    world.clock = std::max(world.clock, world.service.deadline().value_or(world.clock));
  }
  if (name.starts_with("reader")) world.spoke.insert(world.reader);
  hear(world, name, event);
}

void must_end(AfterDeath world) {
  for (int i = 0; i < 60; ++i) {
    if (testing::Test::HasFatalFailure()) return;
    const auto state = world.service.state();
    if (world.service.settled() || world.service.idle()) return;
    if (!world.killed.empty()) {
      const Generation who = *world.killed.begin();
      apply(world, "end", end_of(world, who, 9));
    } else if (world.service.deadline()) {
      apply(world, "tick", Tick{});
    } else {
      ASSERT_NE(state, state) << "nothing is waited for: " << world.story;
    }
  }
  FAIL() << "it does not end: " << world.story;
}

std::size_t explore(const AfterDeath& world, int depth) {
  if (testing::Test::HasFatalFailure()) return 0;
  must_end(world);
  if (depth == 0) return 1;
  std::size_t visited = 1;
  for (const auto& [name, event] : possible(world)) {
    AfterDeath next = world;
    const auto* owned = std::get_if<Owned>(&event);
    const bool heirs_word = owned != nullptr && owned->generation == world.heir;
    if (heirs_word &&
        world.story.find("(donate " + std::to_string(world.reader)) == std::string::npos) {
      continue;
    }
    if (heirs_word) next.owned.insert(world.heir);
    apply(next, name, event);
    visited += explore(next, depth - 1);
    if (testing::Test::HasFatalFailure()) return visited;
  }
  return visited;
}

AfterDeath after_death() {
  AfterDeath world;
  hear(world, "start", StartRequested{});
  hear(world, "registered", Registered{1});
  world.owned.insert(1);
  hear(world, "owns", Owned{.generation = 1});
  hear(world, "died", end_of(world, 1, 9));
  return world;
}

TEST(ServiceRecoveryExploreTest, EveryOrderOfEventsKeepsTheSessionsOrTellsThatTheyAreLost) {
  EXPECT_GT(explore(after_death(), 5), 10000U);
}

TEST(ServiceRecoveryExploreTest, EveryOrderOfEventsOnceTheReaderGives) {
  AfterDeath world = after_death();
  apply(world, "reader-registered", Registered{2});
  apply(world, "heir-registered", Registered{3});
  apply(world, "reader-owns", Owned{.generation = 2});
  EXPECT_GT(explore(world, 5), 10000U);
}

}  // namespace
}  // namespace handoff::supervisor
