// All cells that there are, and the ones among them that a run selects.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cell.h"

namespace chaos {

struct Selection {
  std::optional<Service> service;
  std::optional<Victim> victim;
  std::optional<Blow> blow;
  std::string point = "*";  // a glob
  bool core = false;        // SIGKILL to single victims
};

// Every cell that can be: {service} x {victim} x {failpoint} x {blow}.
std::vector<Cell> matrix(const Selection& selection);
// The failpoints of the selection. Throws if the program has one that point.cc does not know.
std::vector<std::string> selected_points(const Selection& selection);

}  // namespace chaos
