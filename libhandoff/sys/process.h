// Another process by its pidfd: has it ended, end it; and what this process needs of its own.
#pragma once

#include <cstdint>

#include "libhandoff/base/result.h"

namespace handoff::io {

// True once it has exited (its fds are closed by then).
bool has_exited(int pidfd);
// SIGKILL. That it has ended is seen later, by has_exited(). An error if the signal can't be sent.
Result<void> kill_process(int pidfd);

// Raises the soft RLIMIT_NOFILE to the hard one; returns what it is now.
std::uint64_t raise_fd_limit();

// This process has nothing to do any more that somebody waits for. Under a supervisor each service
// is a session of its own (setsid(2)), and so, where autogroups are on (sched(7)), a group of its
// own to the scheduler: the nice value of one of its threads means nothing to the other groups,
// that of the group does. Does nothing if others are in the session.
void give_way();

// CLOCK_MONOTONIC.
std::uint64_t now_ns();
std::int64_t now_us();
// CLOCK_THREAD_CPUTIME_ID: what the calling thread has used of a processor.
std::uint64_t thread_time_ns();

}  // namespace handoff::io
