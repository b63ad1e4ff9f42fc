#include "supervisor/releases/archive.h"

#include <unistd.h>

#include <array>
#include <string_view>

namespace handoff::supervisor {

bool is_archive(int fd) {
  using namespace std::string_view_literals;
  std::array<char, 257 + 5> start{};
  const ssize_t n = ::pread(fd, start.data(), start.size(), 0);
  const std::string_view bytes(start.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  return bytes.starts_with("\x1f\x8b"sv) || bytes.starts_with("\x28\xb5\x2f\xfd"sv) ||
         (bytes.size() == start.size() && bytes.ends_with("ustar"sv));
}

}  // namespace handoff::supervisor
