// Whether a release that takes over could hand everything back to the one before it: a pure
// function of the two manifests and of what may be left out.
#pragma once

#include <string>
#include <vector>

#include "libhandoff/core/manifest.h"
#include "supervisor/core/unclaimed.h"

namespace handoff::supervisor {

struct WayBack {
  std::vector<std::string> against;   // why not; none if it could
  std::vector<core::LeftOut> leaves;  // what would be left out
};

// newer: the release that would hand back. may: on the way back. drains: sessions of no common
// version stay with it, and are nothing against it.
WayBack way_back(const core::Manifest& newer, const core::Manifest& older, core::MayLeaveOut may,
                 bool drains);

// Why an upgrade to the newer release is one-way, in one sentence; "" if it isn't, or if it would
// fail anyway: then the two releases say why.
std::string one_way(const core::Manifest& newer, const core::Manifest& older,
                    const UnclaimedPolicy& policy, bool drains);

}  // namespace handoff::supervisor
