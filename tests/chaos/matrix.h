// Which cells there are, and which of them somebody wants.
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
// The failpoints among them. Throws if the program has one that point.cc does not know.
std::vector<std::string> selected_points(const Selection& selection);

}  // namespace chaos
