#include "supervisor/processes/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>

namespace handoff::supervisor {
namespace {

// Of a lost state, cgroups of that name may still have processes.
constexpr int kMostOfOneName = 100;

// Where that cgroup lies in the file system; "" if no mount shows it (proc_pid_mountinfo(5)).
std::string folder_of(const std::string& path) {
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos || !line.substr(dash + 3).starts_with("cgroup2 ")) continue;
    std::istringstream fields(line);
    std::string skipped;
    std::string root;
    std::string at;
    fields >> skipped >> skipped >> skipped >> root >> at;
    if (root == "/") return path == "/" ? at : at + path;
    if (path == root) return at;
    if (path.starts_with(root + "/")) return at + path.substr(root.size());
  }
  return "";
}

// systemd says so by an attribute.
bool has_delegate(const std::string& folder) {
  for (const char* name : {"user.delegate", "trusted.delegate"}) {
    std::array<char, 8> value{};
    const ssize_t n = ::getxattr(folder.c_str(), name, value.data(), value.size());
    if (n == 1 && value[0] == '1') return true;
  }
  return false;
}

// The root of a cgroup namespace, which has what the host's root lacks, and which may be changed.
bool is_containers_root(const std::string& folder, const std::string& path) {
  return path == "/" && ::access((folder + "/cgroup.events").c_str(), F_OK) == 0 &&
         ::access((folder + "/cgroup.procs").c_str(), W_OK) == 0;
}

}  // namespace

std::string cgroup_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) return line.substr(3);
  }
  return "";
}

Cgroups Cgroups::of_this_process() {
  Cgroups out;
  out.path_ = cgroup_of(::getpid());
  if (out.path_.empty()) return out;
  const std::string folder = folder_of(out.path_);
  if (folder.empty()) return out;
  if (has_delegate(folder) || is_containers_root(folder, out.path_)) out.folder_ = folder;
  return out;
}

Result<Cgroups::Made> Cgroups::make(const std::string& service,
                                    unsigned long long generation) const {
  const std::string stem = "/handoff-" + service + "-" + std::to_string(generation);
  for (int i = 0; i < kMostOfOneName; ++i) {
    const std::string name = i == 0 ? stem : stem + "." + std::to_string(i);
    const std::string folder = folder_ + name;
    (void)::rmdir(folder.c_str());  // one that is empty
    if (::mkdir(folder.c_str(), 0755) < 0) {
      if (errno == EEXIST) continue;
      return fail_errno("a cgroup can't be made, " + folder);
    }
    Made made{.path = (path_ == "/" ? "" : path_) + name,
              .procs = UniqueFd(
                  ::open((folder + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW))};
    if (!made.procs.valid()) return fail_errno("a cgroup can't be used, " + folder);
    return made;
  }
  return fail(-EEXIST, "a cgroup can't be made, " + folder_ + stem);
}

void Cgroups::remove(const std::string& path) const {
  const std::string own = path_ == "/" ? "" : path_;
  if (!delegated() || !path.starts_with(own + "/handoff-")) return;
  (void)::rmdir((folder_ + path.substr(own.size())).c_str());  // EBUSY: it is still needed
}

}  // namespace handoff::supervisor
