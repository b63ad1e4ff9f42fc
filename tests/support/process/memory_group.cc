#include "support/process/memory_group.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "support/process/files.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;

// A value in a file of lines "KEY VALUE".
std::uint64_t value_of(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  std::string name;
  for (std::uint64_t value = 0; in >> name >> value;) {
    if (name == key) return value;
  }
  throw std::runtime_error(file + " has no " + key);
}

struct Own {
  std::string name;
  std::string folder;
  bool old = false;
};

// The group that this process is in, and its folder.
Own own_group() {
  Own own;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool old = controllers == "memory";
    if (old || (controllers.empty() && !own.old)) own = {line.substr(second + 1), "", old};
  }
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string skip, root, point, word, kind, source, options;
    fields >> skip >> skip >> skip >> root >> point;
    while (fields >> word && word != "-") {
    }
    fields >> kind >> source >> options;
    if (own.old ? kind != "cgroup" || ("," + options + ",").find(",memory,") == std::string::npos
                : kind != "cgroup2") {
      continue;
    }
    own.folder = (fs::path(point) / fs::relative(own.name, root)).lexically_normal();
  }
  if (own.folder.empty()) throw std::runtime_error("no control groups are mounted");
  return own;
}

}  // namespace

MemoryGroup::MemoryGroup() {
  static int count = 0;
  const Own own = own_group();
  old_ = own.old;
  const std::string last =
      "handoff-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  name_ = fs::path(own.name) / last;
  folder_ = fs::path(own.folder) / last;
  std::error_code error;
  if (!fs::create_directory(folder_, error)) {
    throw std::runtime_error(
        "this test needs a memory cgroup of its own (root, or one that was "
        "delegated): can't make " +
        folder_ + ": " + error.message());
  }
  if (old_) {
    write_file(folder_ + "/memory.swappiness", "0");
  } else if (fs::exists(folder_ + "/memory.max")) {
    write_file(folder_ + "/memory.swap.max", "0");
  } else {
    fs::remove(folder_);
    throw std::runtime_error("this test needs the memory controller: write +memory to " +
                             own.folder + "/cgroup.subtree_control");
  }
}

MemoryGroup::~MemoryGroup() {
  std::ifstream processes(folder_ + "/cgroup.procs");
  for (pid_t pid = 0; processes >> pid;) kill_and_wait(hold(pid));
  std::error_code left;
  fs::remove(folder_, left);  // what stays is empty, and has the test's pid in its name
}

std::string MemoryGroup::join() const { return "echo $$ >'" + folder_ + "/cgroup.procs' && "; }

void MemoryGroup::limit(std::uint64_t bytes) const {
  write_file(folder_ + (old_ ? "/memory.limit_in_bytes" : "/memory.max"), std::to_string(bytes));
}

std::uint64_t MemoryGroup::used() const {
  std::uint64_t bytes = 0;
  std::ifstream(folder_ + (old_ ? "/memory.usage_in_bytes" : "/memory.current")) >> bytes;
  const std::string stat = folder_ + "/memory.stat";
  const std::string of = old_ ? "total_" : "";
  for (const char* kind : {"inactive_file", "active_file"}) {
    bytes -= std::min(bytes, value_of(stat, of + kind));
  }
  return bytes;
}

std::uint64_t MemoryGroup::killed() const {
  return value_of(folder_ + (old_ ? "/memory.oom_control" : "/memory.events"), "oom_kill");
}

}  // namespace handoff::test
