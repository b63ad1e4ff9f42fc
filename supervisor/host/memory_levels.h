// How much memory a process, and another one beside it, may take: what is read of the host and of
// the control groups above. core/memory says what follows.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "supervisor/core/memory.h"

namespace handoff::supervisor {

// The host's, and those of the groups of each of these processes that have a limit, each once.
// Empty if nothing tells. The folders are for tests.
std::vector<MemoryLevel> memory_levels(const std::vector<pid_t>& pids,
                                       const std::filesystem::path& proc = "/proc",
                                       const std::filesystem::path& cgroups = "/sys/fs/cgroup");

// The nearest control group of the process whose processes the kernel ends together when memory
// runs out (memory.oom.group), by its name; "" if it ends one of them.
std::string ends_together(pid_t pid, const std::filesystem::path& proc = "/proc",
                          const std::filesystem::path& cgroups = "/sys/fs/cgroup");

// Of a process; 0 if it can't be told.
std::uint64_t resident(pid_t pid);
// What it shares with nobody and can't be read again from a file, swapped out or not: what a second
// copy of it would take.
std::uint64_t own_memory(pid_t pid, const std::filesystem::path& proc = "/proc");

}  // namespace handoff::supervisor
