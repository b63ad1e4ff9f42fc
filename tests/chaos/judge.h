// The rules: what must be true of a cell's outcome, by the fault table (expectation.h).
#pragma once

#include <string>
#include <vector>

#include "examine.h"
#include "expectation.h"
#include "point.h"
#include "strike.h"
#include "traffic.h"

namespace chaos {

// What a trial has found, before the next upgrade.
struct Findings {
  Struck struck;
  Examination::Owner owner = Examination::Owner::kNobody;
  Tally tally;
  std::size_t quiet_before = 0, quiet = 0;  // clients that said nothing, and live
  std::string log;                          // the supervisor's, and its services'
};

// Whether `handoff upgrade` tells how many sessions were lost when it ends with this status.
bool has_reported(int status);

// The rules that the findings break; empty if they keep to the fault table.
std::vector<std::string> judge(const Cell& cell, const Point* point, const Expectation& expected,
                               const Findings& found);

}  // namespace chaos
