// The headers for authors, without any of protobuf's.
#include <handoff/handoff.hpp>
#include <handoff/protobuf.hpp>
#include <handoff/testing.hpp>
#include <iostream>
#include <string>

int main() {
  const auto service =
      handoff::Service::open({.name = "consumer", .version = "2.0", .state_version = 2});
  service->on_upgrade_state(1, 2, [](std::string_view state) { return std::string(state) + "."; });
  service->on_downgrade_state(
      2, 1, [](std::string_view state) { return std::string(state.substr(0, state.size() - 1)); });
  const auto checked = handoff::testing::check_round_trips(handoff::testing::steps_of(*service),
                                                           {{1, "a"}, {2, "b."}});
  std::cout << checked;
  return checked ? 0 : 1;
}
