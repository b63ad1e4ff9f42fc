// The supervisor's share of the processors: it answers also while the services that it has started
// take all of them, as in an upgrade of many at once.
#pragma once

namespace handoff::supervisor {

// Raises the priority of the calling thread, and of no process or thread that it starts. Does
// nothing without the right to (CAP_SYS_NICE), or where somebody has set the priority already.
void raise_priority();

}  // namespace handoff::supervisor
