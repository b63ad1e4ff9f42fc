// What a handoff asks of processes: of the peer by its pidfd, and of this process by itself.
#pragma once

#include <cstdint>

#include "libhandoff/base/result.h"

namespace handoff::io {

// True once the process has exited; its fds are closed by then.
bool has_exited(int pidfd);
// Sends SIGKILL. The process ends later, see has_exited(). An error if the signal can't be sent;
// one that has exited already is none.
Result<void> kill_process(int pidfd);

// When the process was started, in clock ticks since boot, as /proc/PID/stat has it; 0 if there is
// no such process, or no /proc.
std::uint64_t started_at(int pid);

// Gives way to all other processes, since nobody waits for this one any more. A supervised service
// is a session of its own (setsid(2)). Where autogroups are on (sched(7)), the scheduler weighs
// sessions against each other and ignores the nice value of a thread in them, so this sets that of
// the group. Does nothing unless this process leads its session: others may be in it.
void give_way();

// How many processors this process may run on; at least 1.
std::uint32_t processors();

// CLOCK_MONOTONIC.
std::uint64_t now_ns();
std::int64_t now_us();
// CLOCK_THREAD_CPUTIME_ID: what the calling thread has used of a processor.
std::uint64_t thread_time_ns();

}  // namespace handoff::io
