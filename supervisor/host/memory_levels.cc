#include "supervisor/host/memory_levels.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>

#include "supervisor/host/kernel_text.h"
#include "supervisor/host/memory_groups.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kAny = std::numeric_limits<std::uint64_t>::max();

std::uint64_t less(std::uint64_t from, std::uint64_t what) { return from > what ? from - what : 0; }

std::optional<MemoryLevel> of_host(const KernelText& meminfo, std::uint64_t swap) {
  const auto total = meminfo.of("MemTotal");
  const auto available = meminfo.of("MemAvailable");
  if (!available) return std::nullopt;
  const std::uint64_t most = std::max(total.value_or(*available), *available);
  // The kernel has counted already what can be given back.
  return MemoryLevel{"the host", most * 1024, (most - *available) * 1024, 0, 0, swap};
}

std::string name_of(const MemoryGroup& group) { return "control group " + group.name; }

// memory.high kills nobody: above it every process is slowed down until nothing works in time. So a
// copy that needs more is one that does not succeed.
std::optional<MemoryLevel> of_group(const MemoryGroup& group) {
  const fs::path& folder = group.folder;
  const auto number = [&folder](const char* file) { return KernelText(folder / file).first(); };
  const auto limit = number(group.old ? "memory.limit_in_bytes" : "memory.max");
  const auto high = group.old ? std::nullopt : number("memory.high");
  if (!limit && !high) return std::nullopt;
  const auto used = number(group.old ? "memory.usage_in_bytes" : "memory.current");
  if (!used) return std::nullopt;
  MemoryLevel level{name_of(group), std::min(limit.value_or(kAny), high.value_or(kAny)), *used};
  const KernelText stat(folder / "memory.stat");
  const std::string of = group.old ? "total_" : "";
  level.cache = stat.of(of + "inactive_file").value_or(0);
  level.more = stat.of(of + "active_file").value_or(0) + stat.of("slab_reclaimable").value_or(0);
  return level;
}

// What a group may write to a swap space yet.
std::uint64_t swap_of(const MemoryGroup& group) {
  const auto number = [&group](const char* file) {
    return KernelText(group.folder / file).first();
  };
  if (group.old) {
    if (number("memory.swappiness") == 0U) return 0;
    const auto limit = number("memory.memsw.limit_in_bytes");
    const auto used = number("memory.memsw.usage_in_bytes");
    const auto memory = of_group(group);
    // Memory and swap space together: what the memory alone leaves is no swap space.
    if (!limit || !used || !memory) return kAny;
    return less(less(*limit, *used), less(memory->most, memory->used));
  }
  const auto limit = number("memory.swap.max");
  const auto used = number("memory.swap.current");
  return limit && used ? less(*limit, *used) : kAny;
}

}  // namespace

std::vector<MemoryLevel> memory_levels(const std::vector<pid_t>& pids, const fs::path& proc,
                                       const fs::path& cgroups) {
  std::vector<MemoryLevel> out;
  const KernelText meminfo(proc / "meminfo");
  const std::uint64_t swap = meminfo.of("SwapFree").value_or(0) * 1024;
  if (auto host = of_host(meminfo, swap)) out.push_back(std::move(*host));
  for (const pid_t pid : pids) {
    const auto groups = memory_groups(pid, proc, cgroups);
    for (auto group = groups.begin(); group != groups.end(); ++group) {
      if (std::any_of(out.begin(), out.end(),
                      [&group](const MemoryLevel& known) { return known.of == name_of(*group); })) {
        continue;
      }
      auto level = of_group(*group);
      if (!level) continue;
      // Each group above limits the swap space, too.
      level->swap = swap;
      for (auto above = group; level->swap > 0 && above != groups.end(); ++above) {
        level->swap = std::min(level->swap, swap_of(*above));
      }
      out.push_back(std::move(*level));
    }
  }
  return out;
}

std::string ends_together(pid_t pid, const fs::path& proc, const fs::path& cgroups) {
  for (const MemoryGroup& group : memory_groups(pid, proc, cgroups)) {
    if (group.old) continue;
    if (KernelText(group.folder / "memory.oom.group").first() == 1U) return name_of(group);
  }
  return "";
}

std::uint64_t resident(pid_t pid) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  std::uint64_t pages = 0;
  if (!(statm >> pages >> pages)) return 0;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t own_memory(pid_t pid, const fs::path& proc) {
  const KernelText status(proc / std::to_string(pid) / "status");
  return (status.of("RssAnon").value_or(0) + status.of("VmSwap").value_or(0)) * 1024;
}

}  // namespace handoff::supervisor
