// What the fault table says of a cell: whether sessions may be lost, how `handoff upgrade` may end,
// and whether it may be that nobody serves afterwards.
#pragma once

#include <set>

#include "cell.h"
#include "point.h"

namespace chaos {

struct Expectation {
  bool loss = false;        // sessions may be lost; then they are reset, and counted
  bool quiet_kept = false;  // no session may be lost whose socket has not moved since the copy
  // The donor has switched and is struck. A TLS handshake stays with its process until it is over:
  // a visitor that was in the middle of one may be lost with the donor. Then the report counts it:
  // as lost, or as one that waits if the donor came to say so.
  bool late_lost = false;
  bool ordered = false;    // the service is being stopped: sessions end by order
  bool nobody = false;     // no process may be left (and no supervisor that would start one)
  std::set<int> statuses;  // of `handoff upgrade`
};

Expectation expect(const Cell& cell, const Point* point);

}  // namespace chaos
