// Another process by its pidfd: has it ended, end it; and what this process needs of its own.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace handoff::io {

// True once it has exited (its fds are closed by then).
bool has_exited(int pidfd);
// SIGKILL. That it has ended is seen later, by has_exited(). An error if the signal can't be sent.
Result<void> kill_process(int pidfd);

// Raises the soft RLIMIT_NOFILE to the hard one; returns what it is now.
std::uint64_t raise_fd_limit();

// CLOCK_MONOTONIC.
std::uint64_t now_ns();
std::int64_t now_us();

}  // namespace handoff::io
