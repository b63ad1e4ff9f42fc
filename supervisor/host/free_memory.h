// How much memory is left for another process: what the host has available, and what the control
// groups of this process leave, whichever is less.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace handoff::supervisor {

struct FreeMemory {
  std::uint64_t bytes = 0;
  std::string of;  // "the host", or the control group
};

// nullopt if nothing tells. The folders are for tests.
std::optional<FreeMemory> free_memory(const std::filesystem::path& proc = "/proc",
                                      const std::filesystem::path& cgroups = "/sys/fs/cgroup");

// Resident memory of a process; 0 if it can't be told.
std::uint64_t resident(pid_t pid);

}  // namespace handoff::supervisor
