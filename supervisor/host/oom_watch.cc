#include "supervisor/host/oom_watch.h"

#include "supervisor/core/memory.h"
#include "supervisor/host/kernel_text.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

std::uint64_t hits_of(const MemoryGroup& group) {
  const auto hits = group.old ? KernelText(group.folder / "memory.failcnt").first()
                              : KernelText(group.folder / "memory.events").of("oom");
  return hits.value_or(0);
}

std::string describe(const MemoryGroup& group) {
  const KernelText limit(group.folder / (group.old ? "memory.limit_in_bytes" : "memory.max"));
  const auto most = limit.first();
  return "control group " + group.name + (most ? " (at most " + format_bytes(*most) + ")" : "");
}

}  // namespace

OomWatch::OomWatch(pid_t pid, const fs::path& proc, const fs::path& cgroups) : proc_(proc) {
  for (MemoryGroup& group : memory_groups(pid, proc, cgroups)) {
    const std::uint64_t full = hits_of(group);
    groups_.push_back({std::move(group), full});
  }
  killed_ = killed_in_group();
  killed_anywhere_ = killed_on_host();
}

// Each group counts its own processes, whoever's memory ran out. The root of all groups does not,
// nor does a group that was removed when its last process ended: then the host's count tells.
std::optional<std::uint64_t> OomWatch::killed_in_group() const {
  if (groups_.empty()) return std::nullopt;
  const MemoryGroup& own = groups_.front().group;
  return KernelText(own.folder / (own.old ? "memory.oom_control" : "memory.events")).of("oom_kill");
}

std::uint64_t OomWatch::killed_on_host() const {
  return KernelText(proc_ / "vmstat").of("oom_kill").value_or(0);
}

std::string OomWatch::out_of() const {
  if (proc_.empty()) return "";
  const auto killed = killed_in_group();
  if (killed && killed_ ? *killed <= *killed_ : killed_on_host() <= killed_anywhere_) return "";
  // The nearest one that was full: those above it count that as well, in version 2.
  for (const Counted& counted : groups_) {
    if (hits_of(counted.group) > counted.full) return describe(counted.group);
  }
  return "the host";
}

}  // namespace handoff::supervisor
