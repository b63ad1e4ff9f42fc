// What is left to a process before it reads what a stranger wrote.
#pragma once

namespace handoff::supervisor {

// From here on this process creates, changes, removes and links nothing but beneath that folder,
// runs no program, traces nobody, and, where the kernel is new enough, opens no TCP connection and
// signals nobody. False where the kernel can't do that (Landlock, from Linux 5.19 on): all is as
// before.
bool confine(int folder);

}  // namespace handoff::supervisor
