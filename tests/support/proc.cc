#include "proc.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace test {

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

}  // namespace test
