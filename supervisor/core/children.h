// What becomes of the processes that a generation of a service has left.
#pragma once

#include "supervisor/core/time.h"

namespace handoff::supervisor {

enum class ChildrenPolicy {
  kLeave,
  kEnd,  // at a stop, before a start from nothing, and of a start that has failed
};

// How long they have after SIGTERM. A process that ends by it at all does so soon, and a start
// waits for that.
inline constexpr Duration kChildrenLeave = std::chrono::seconds(2);

}  // namespace handoff::supervisor
