// What a state file says of vaults comes back as it was; and where there never was one, it says
// nothing.
#include "supervisor/host/saved_vaults.h"

#include <gtest/gtest.h>

namespace handoff::supervisor {
namespace {

SavedService with_vaults() {
  SavedService out;
  out.name = "chat";
  out.machine.last = 6;
  out.machine.current = 5;
  out.machine.heir = 6;
  out.machine.from_vault = true;
  out.machine.recovery = Recovery{3, "was killed by SIGKILL", Time(Duration(11)), 12, 2};
  out.machine.recoveries = 4;
  out.machine.vaults = {.sources = {3},
                        .tries = {{Time(Duration(13)), false}, {Time(Duration(14)), true}},
                        .crashes = {{21, 1}, {22, 2}}};
  out.machine.probation.died = true;
  out.processes = {{.generation = 5, .pid = 50, .reads = 3},
                   {.generation = 6,
                    .pid = 60,
                    .vault = {"name:key", 61, {{"public", "tcp:127.0.0.1:1", 31, 32, false}}}}};
  out.vaults = {{3, {"other:key", 33, {{"public", "tcp:127.0.0.1:1", 31, 32, false}}}}};
  return out;
}

TEST(SavedVaultsTest, ComeBackAsTheyWere) {
  const SavedState state{.boot = "b", .services = {with_vaults()}};
  const auto parsed = parse_state(to_json(state).dump(), "state.json");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(to_json(*parsed), to_json(state));
  const SavedService& service = parsed->services.front();
  const Found& machine = service.machine;
  EXPECT_TRUE(machine.from_vault);
  EXPECT_EQ(machine.recovery, with_vaults().machine.recovery);
  EXPECT_EQ(machine.recoveries, 4U);
  EXPECT_EQ(machine.vaults, with_vaults().machine.vaults);
  EXPECT_TRUE(machine.probation.died);
  EXPECT_EQ(service.processes[0].reads, 3U);
  EXPECT_FALSE(service.processes[0].vault.there());
  EXPECT_EQ(service.processes[1].vault.address, "name:key");
  EXPECT_EQ(service.processes[1].vault.pid, 61);
  ASSERT_EQ(service.processes[1].vault.listeners.size(), 1U);
  EXPECT_EQ(service.processes[1].vault.listeners[0].inode, 31U);
  ASSERT_EQ(service.vaults.size(), 1U);
  EXPECT_EQ(service.vaults[0].keeper.pid, 33);
}

TEST(SavedVaultsTest, AServiceWithoutOneIsWrittenAsBefore) {
  SavedService service;
  service.name = "chat";
  service.processes = {{.generation = 5, .pid = 50}};
  const std::string text = state_text_of(service);
  for (const char* word : {"vault", "keeper", "reads", "recover", "tries", "crashes"}) {
    EXPECT_EQ(text.find(word), std::string::npos) << word << ": " << text;
  }
}

TEST(SavedVaultsTest, NumbersThatCantBeAreRefused) {
  nlohmann::json state = to_json(SavedState{.boot = "b", .services = {with_vaults()}});
  nlohmann::json bad = state;
  bad["services"][0]["vaults"][0]["keeper"]["pid"] = -1;
  EXPECT_FALSE(parse_state(bad.dump(), "state.json"));
  bad = state;
  bad["services"][0]["recovery"]["died_ns"] = "yesterday";
  EXPECT_FALSE(parse_state(bad.dump(), "state.json"));
  bad = state;
  bad["services"][0]["crashes"][0]["times"] = 1e30;
  EXPECT_FALSE(parse_state(bad.dump(), "state.json"));
}

}  // namespace
}  // namespace handoff::supervisor
