// The control groups that limit the memory of a process: its own, and all above it. Of version 2,
// or of the memory controller of version 1.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace handoff::supervisor {

struct MemoryGroup {
  std::string name;  // as /proc/PID/cgroup has it
  std::filesystem::path folder;
  bool old = false;  // version 1
};

// The process's own group first, the root last. Of those that are not to be seen from here (in a
// container the path may be one of the host's), the root stands for all. None if nothing tells.
std::vector<MemoryGroup> memory_groups(pid_t pid, const std::filesystem::path& proc,
                                       const std::filesystem::path& cgroups);

}  // namespace handoff::supervisor
