#include "supervisor/releases/archive.h"

#include <unistd.h>

#include <array>
#include <string_view>

#include "supervisor/unpack/magic.h"

namespace handoff::supervisor {

bool is_archive(int fd) {
  std::array<char, 257 + 5> start{};
  const ssize_t n = ::pread(fd, start.data(), start.size(), 0);
  const std::string_view bytes(start.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  return bytes.starts_with(kGzipMagic) || bytes.starts_with(kZstdMagic) ||
         (bytes.size() == start.size() && bytes.ends_with("ustar"));
}

}  // namespace handoff::supervisor
