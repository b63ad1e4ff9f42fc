// How long an heir lets clients wait once it owns their sessions: from there until its loop turns,
// the service does what it does between handoff_wait() and its loop. The freeze budget bounds what
// comes before that, and nobody bounds this, so an heir that takes longer than the budget is named.
#pragma once

#include <string>

#include "libhandoff/core/types.h"

namespace handoff::core {

// A sentence about "this release", "the new release"; "" if it took no longer than the budget.
std::string why_slow(const std::string& release, Duration took, Duration budget);

}  // namespace handoff::core
