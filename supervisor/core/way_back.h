// Whether a release that takes over could hand everything back to the one that the service would go
// back to: a pure function of their manifests. The plan and the upgrade both ask here.
//
// The one to go back to need not be the one that runs: while a release is on probation, a newer one
// goes back past it, to the permanent release (probation.h).
#pragma once

#include <string>
#include <vector>

#include "libhandoff/core/manifest.h"
#include "supervisor/core/unclaimed.h"

namespace handoff::supervisor {

struct WayBack {
  std::vector<std::string> against;   // why not; none if it could
  std::vector<core::LeftOut> leaves;  // what would be left out
  // What will be against it once the newer release has rewritten its regions in its own layout. At
  // the switch a region has the layout that it had, and the release chooses when to rewrite it.
  std::vector<std::string> once_rewritten;
};

// newer: the release that would hand back. older: the one that the service would go back to.
// drains: sessions of no common version stay with the newer one, and are nothing against it.
// A release that goes back by itself leaves out whatever the older one does not claim.
WayBack way_back(const core::Manifest& newer, const core::Manifest& older, bool drains);

// Why an upgrade from the release that runs to the newer one is one-way, in one sentence; "" if it
// isn't, or if it would fail anyway: then the two releases say why. older: as above.
std::string one_way(const core::Manifest& newer, const core::Manifest& runs,
                    const core::Manifest& older, const UnclaimedPolicy& policy, bool drains);

}  // namespace handoff::supervisor
