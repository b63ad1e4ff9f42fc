#include "support/process/proc.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "support/process/files.h"

namespace handoff::test {

namespace fs = std::filesystem;

std::multiset<std::string> open_files(pid_t pid) {
  std::multiset<std::string> out;
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    std::error_code gone;
    const fs::path target = fs::read_symlink(entry.path(), gone);
    if (!gone) out.insert(target.string());
  }
  return out;
}

std::string difference(const std::multiset<std::string>& before,
                       const std::multiset<std::string>& after) {
  std::string out;
  const auto list = [&out](char sign, const auto& from, const auto& to) {
    std::vector<std::string> only;
    std::set_difference(from.begin(), from.end(), to.begin(), to.end(), std::back_inserter(only));
    for (const std::string& name : only) out += std::string(out.empty() ? "" : " ") + sign + name;
  };
  list('+', after, before);
  list('-', before, after);
  return out;
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> out;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  std::error_code gone;
  for (const auto& task : fs::directory_iterator(tasks, gone)) {
    std::ifstream list(task.path() / "children");
    out.insert(out.end(), std::istream_iterator<pid_t>(list), {});
  }
  return out;
}

std::multiset<std::string> environment_of(pid_t pid) {
  std::istringstream text(read_file("/proc/" + std::to_string(pid) + "/environ"));
  std::multiset<std::string> out;
  for (std::string variable; std::getline(text, variable, '\0');) out.insert(variable);
  return out;
}

std::uint64_t status_field(pid_t pid, const std::string& name) {
  std::istringstream text(read_file("/proc/" + std::to_string(pid) + "/status"));
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with(name + ":")) return std::stoull(line.substr(name.size() + 1));
  }
  return 0;
}

char process_state(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t end = stat.rfind(')');
  return end == std::string::npos || end + 2 >= stat.size() ? '\0' : stat[end + 2];
}

}  // namespace handoff::test
