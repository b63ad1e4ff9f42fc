// What the fault table says of a cell: may sessions be lost, how does `handoff upgrade` end, and
// may it be that nobody serves afterwards.
#pragma once

#include <set>

#include "cell.h"
#include "point.h"

namespace chaos {

struct Expectation {
  bool loss = false;        // sessions may be lost; then they are reset, and counted
  bool quiet_kept = false;  // but none whose socket has not moved since the copy
  bool ordered = false;     // the service is being stopped: sessions end by order
  bool nobody = false;      // no process may be left (and no supervisor that would start one)
  std::set<int> statuses;   // of `handoff upgrade`
};

Expectation expect(const Cell& cell, const Point* point);

}  // namespace chaos
