// Whether the kernel has ended a process for want of memory. An exit tells SIGKILL and not why, and
// the process's control group counts such ends. So the count is read while the process lives, and
// again once it has died.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/host/memory_groups.h"

namespace handoff::supervisor {

class OomWatch {
 public:
  // Of nobody.
  OomWatch() = default;
  // The folders are for tests.
  explicit OomWatch(pid_t pid, const std::filesystem::path& proc = "/proc",
                    const std::filesystem::path& cgroups = "/sys/fs/cgroup");

  // Whose memory has run out since: "control group /chat (at most 500 MB)", "the host". "" if
  // nobody in the process's group was ended for that.
  std::string out_of() const;

 private:
  struct Counted {
    MemoryGroup group;
    std::uint64_t full = 0;  // how often its limit was hit
  };
  std::optional<std::uint64_t> killed_in_group() const;
  std::uint64_t killed_on_host() const;

  std::filesystem::path proc_;
  std::vector<Counted> groups_;  // the process's own first
  std::optional<std::uint64_t> killed_;
  std::uint64_t killed_anywhere_ = 0;
};

}  // namespace handoff::supervisor
