// A unit test of tally's state versions.
#include <handoff/testing.hpp>
#include <iostream>

#include "tally_state.h"

int main() {
  handoff::testing::Steps steps;
  steps.add(1, 2, state_1_to_2).add(2, 1, state_2_to_1);
  const auto checked =
      handoff::testing::check_round_trips(steps, {{1, "0"}, {1, "-12"}, {2, "0 0"}, {2, "12 -7"}});
  std::cout << checked;  // in GoogleTest: EXPECT_TRUE(checked) << checked;
  return checked ? 0 : 1;
}
