// Takes every step in every state that can be reached, once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "simulation.h"

namespace handoff::simulation {

struct Explored {
  std::size_t states = 0;
  std::size_t steps = 0;
  std::size_t ends = 0;          // states in which nothing more happens by itself
  std::size_t switched = 0;      // ends after a switch
  std::size_t donor_serves = 0;  // ends in which the donor serves on
  double runs = 0;               // ways through the states, from the beginning to an end
  std::size_t depth = 0;
  std::optional<std::string> violation;  // the first one, at which the exploration stops
  std::vector<std::string> transcript;   // the steps that lead to it
};

Explored explore(const Simulation& simulation, const World& from);

std::string show(const Explored& explored);

}  // namespace handoff::simulation
