// One long run whose every choice comes from a seed: several handoffs in a row, each begun by the
// survivor of the one before, with more deaths and hangs than can be explored exhaustively. One
// seed gives the same run on every machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "simulation.h"

namespace handoff::simulation {

struct RandomRun {
  std::size_t steps = 0;
  std::size_t handoffs = 0;
  std::optional<std::string> violation;
  std::vector<std::string> transcript;
};

// keep_transcript is for a run that is shown; it costs time.
RandomRun run_randomly(const Simulation& simulation, std::uint64_t seed, bool keep_transcript);

std::string show(const RandomRun& run);

}  // namespace handoff::simulation
