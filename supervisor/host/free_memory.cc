#include "supervisor/host/free_memory.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  std::uint64_t value = 0;
  if (in >> value) return value;
  return std::nullopt;  // also "max"
}

// The value of "KEY NUMBER" or "KEY: NUMBER" in a file of such lines.
std::optional<std::uint64_t> field(const fs::path& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string name;
    std::uint64_t value = 0;
    if (fields >> name >> value && name == key) return value;
  }
  return std::nullopt;
}

// Pages of files that nobody has used lately are given back before anybody is ended.
std::optional<std::uint64_t> left(const fs::path& group, const char* limit, const char* used,
                                  const char* cache) {
  const auto most = number_in(group / limit);
  const auto now = number_in(group / used);
  if (!most || !now) return std::nullopt;
  const std::uint64_t file = field(group / "memory.stat", cache).value_or(0);
  const std::uint64_t taken = *now > file ? *now - file : 0;
  return *most > taken ? *most - taken : 0;
}

// What /proc/self/cgroup says of the memory controller: "0::/path", or "4:memory:/path" of old.
struct Group {
  fs::path path;
  bool old = false;
};
std::optional<Group> group_of_self(const fs::path& proc) {
  std::ifstream in(proc / "self" / "cgroup");
  std::optional<Group> found;
  for (std::string line; std::getline(in, line);) {
    const auto second = line.find(':', line.find(':') + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(0, second);
    const std::string path = line.substr(second + 1);
    if (controllers.find("memory") != std::string::npos) return Group{path, true};
    if (controllers == "0:") found = Group{path, false};
  }
  return found;
}

}  // namespace

std::optional<FreeMemory> free_memory(const fs::path& proc, const fs::path& cgroups) {
  std::optional<FreeMemory> least;
  const auto consider = [&least](std::optional<std::uint64_t> bytes, const std::string& of) {
    if (bytes && (!least || *bytes < least->bytes)) least = FreeMemory{*bytes, of};
  };
  if (const auto kib = field(proc / "meminfo", "MemAvailable:")) consider(*kib * 1024, "the host");
  const auto group = group_of_self(proc);
  if (!group) return least;
  const fs::path root = group->old ? cgroups / "memory" : cgroups;
  // Each group above has a limit of its own. In a container the path may be one of the host's that
  // is not to be seen here: then the root is the group.
  for (fs::path path = group->path;; path = path.parent_path()) {
    const fs::path folder = root / path.relative_path();
    consider(group->old ? left(folder, "memory.limit_in_bytes", "memory.usage_in_bytes",
                               "total_inactive_file")
                        : left(folder, "memory.max", "memory.current", "inactive_file"),
             "control group " + path.string());
    if (!path.has_relative_path()) break;
  }
  return least;
}

std::uint64_t resident(pid_t pid) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  std::uint64_t pages = 0;
  if (!(statm >> pages >> pages)) return 0;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace handoff::supervisor
