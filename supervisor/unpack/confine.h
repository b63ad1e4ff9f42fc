// What is left to a process before it reads what a stranger wrote.
#pragma once

namespace handoff::supervisor {

// From here on this process creates, writes, removes and links nothing but beneath that folder,
// runs no program, traces nobody, and, where the kernel is new enough, empties no file elsewhere
// (Linux 6.2), opens no TCP connection and signals nobody. Modes, owners and times it can change
// until leave_only_unpacking() (calls.h). False where the kernel can't do that (Landlock, from
// Linux 5.19 on): all is as before.
bool confine(int folder);

}  // namespace handoff::supervisor
