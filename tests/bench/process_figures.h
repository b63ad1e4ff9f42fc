// The costs of a process, as /proc tells them.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace bench {

std::uint64_t rss_bytes(pid_t pid);
// The process's share of what it maps (PSS): of memory that two processes share each has half. 0 if
// the process has gone.
std::uint64_t pss_bytes(pid_t pid);
// The context switches of all threads, voluntary and not: how often any of them has run.
std::uint64_t context_switches(pid_t pid);
// What its threads have used of the processors, for itself and in the kernel, to the nanosecond. 0
// if the process has gone.
std::uint64_t cpu_ns(pid_t pid);

}  // namespace bench
