#include "supervisor/host/own_path.h"

#include <unistd.h>

#include <array>
#include <string_view>

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

}  // namespace handoff::supervisor
