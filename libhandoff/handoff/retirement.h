// What a donor does once the sessions are the heir's: it gets out of the heir's way, then its
// service lets go of what has moved.
#pragma once

#include <cstdint>
#include <vector>

#include "libhandoff/service/registry.h"

namespace handoff::io {

// Resumed wakes this thread on the heir's CPU and preempts the heir. Unmapping 1 GiB or ending
// thousands of sessions now would add 2 to 5 ms to the blackout, so this sleeps 1 ms and lets the
// heir's loop turn first. What the supervisor waits for is said after this and before give_way():
// on a busy host a thread that has given way may not run for seconds.
void let_heir_run();

// Sessions that can't be moved and are not to stay. Before the service lets go of its fds.
void reset_all(Registry& registry, const std::vector<std::uint64_t>& ids);
// The service hears that those have ended: they have not moved.
void drop_all(Registry& registry, const std::vector<std::uint64_t>& ids);
// All sessions that are left have moved. lost: how many of them an heir that has died since had.
void retire_all(Registry& registry, std::uint64_t lost);
// All sessions have moved but those that stay and those that were reset. What stays and has come to
// rest is told to go on by link/links, if it does not leave at once.
void retire_but(Registry& registry, const std::vector<std::uint64_t>& staying,
                const std::vector<std::uint64_t>& reset);

}  // namespace handoff::io
