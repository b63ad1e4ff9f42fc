#include "supervisor/host/own_path.h"

#include <unistd.h>

#include <array>
#include <fstream>
#include <string_view>

namespace handoff::supervisor {

std::string own_path() {
  std::array<char, 4096> path{};
  const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  std::string out(path.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  constexpr std::string_view kDeleted =
      " (deleted)";  // replaced on the disk: that is what is meant
  if (out.ends_with(kDeleted)) out.resize(out.size() - kDeleted.size());
  if (!out.starts_with("/memfd:")) return out;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string name;
  std::getline(file, name, '\0');
  return name.starts_with('/') ? name : out;
}

}  // namespace handoff::supervisor
