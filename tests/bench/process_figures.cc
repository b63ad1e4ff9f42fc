#include "process_figures.h"

#include <time.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace bench {
namespace {

std::string proc(pid_t pid, const std::string& file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

// The number after "NAME:" in a file of such lines.
std::uint64_t field(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":")) return std::stoull(line.substr(name.size() + 1));
  }
  return 0;
}

}  // namespace

std::uint64_t rss_bytes(pid_t pid) { return field(proc(pid, "status"), "VmRSS") * 1024; }
std::uint64_t pss_bytes(pid_t pid) { return field(proc(pid, "smaps_rollup"), "Pss") * 1024; }

std::uint64_t context_switches(pid_t pid) {
  std::uint64_t sum = 0;
  for (const auto& task : std::filesystem::directory_iterator(proc(pid, "task"))) {
    const std::string status = task.path().string() + "/status";
    sum += field(status, "voluntary_ctxt_switches") + field(status, "nonvoluntary_ctxt_switches");
  }
  return sum;
}

std::uint64_t cpu_ns(pid_t pid) {
  clockid_t clock{};
  timespec spent{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &spent) != 0) return 0;
  return static_cast<std::uint64_t>(spent.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(spent.tv_nsec);
}

}  // namespace bench
