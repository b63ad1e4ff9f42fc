#include "supervisor/host/memory_groups.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "supervisor/host/kernel_text.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

// Takes what is before the next of these out of the rest.
std::string_view before(char next, std::string_view& rest) {
  const std::string_view part = rest.substr(0, rest.find(next));
  rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  return part;
}

// One of "memory" or "cpu,memory", and not "name=memory".
bool has_memory(std::string_view controllers) {
  while (!controllers.empty()) {
    if (before(',', controllers) == "memory") return true;
  }
  return false;
}

struct Place {
  std::string path;
  bool old = false;
};

// "0::/path", or "4:memory:/path" of version 1, which has the memory if both are there.
std::optional<Place> place_of(pid_t pid, const fs::path& proc) {
  const KernelText file(proc / std::to_string(pid) / "cgroup");
  std::optional<Place> found;
  for (std::string_view rest = file.text(); !rest.empty();) {
    std::string_view path = before('\n', rest);
    if (std::count(path.begin(), path.end(), ':') < 2) continue;
    before(':', path);
    const std::string_view controllers = before(':', path);
    if (has_memory(controllers)) return Place{std::string(path), true};
    if (controllers.empty()) found = Place{std::string(path), false};
  }
  return found;
}

}  // namespace

std::vector<MemoryGroup> memory_groups(pid_t pid, const fs::path& proc, const fs::path& cgroups) {
  std::vector<MemoryGroup> out;
  const auto place = place_of(pid, proc);
  if (!place) return out;
  const fs::path root = place->old ? cgroups / "memory" : cgroups;
  // A group outside of the container's own is "/..", of which nothing is to be seen.
  for (fs::path path = fs::path(place->path).lexically_normal();; path = path.parent_path()) {
    const fs::path folder = root / path.relative_path();
    std::error_code error;
    if (fs::is_directory(folder, error)) out.push_back({path.string(), folder, place->old});
    if (!path.has_relative_path()) break;
  }
  return out;
}

}  // namespace handoff::supervisor
