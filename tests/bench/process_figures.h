// What /proc says that a process costs.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace bench {

std::uint64_t rss_bytes(pid_t pid);
// Its share of what it maps: memory of two processes in common counts half for each. 0 if it has
// gone.
std::uint64_t pss_bytes(pid_t pid);
// Of all its threads, voluntary and not: how often anything of it has run.
std::uint64_t context_switches(pid_t pid);
std::uint64_t cpu_ns(pid_t pid);

}  // namespace bench
