#include "supervisor/host/own_path.h"

#include <unistd.h>

#include <array>
#include <fstream>
#include <string_view>

#include "supervisor/releases/release.h"

namespace handoff::supervisor {

std::string own_path() {
  std::array<char, 4096> path{};
  const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  std::string out(path.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  constexpr std::string_view kDeleted =
      " (deleted)";  // replaced on the disk: that is what is meant
  if (out.ends_with(kDeleted)) out.resize(out.size() - kDeleted.size());
  return out;
}

std::string started_path() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string program;
  std::getline(file, program, '\0');
  const auto path = find_program(program);
  return path && open_executable(*path) ? *path : own_path();
}

}  // namespace handoff::supervisor
