#include "supervisor/base/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace handoff::supervisor {
namespace {

constexpr std::size_t kChunk = 16 * 1024;

// "" for a regular file.
std::string other_kind(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "";
    case S_IFDIR:
      return "it is a folder";
    case S_IFIFO:
      return "it is a FIFO: put a regular file there";
    default:
      return "it is a device: put a regular file there";
  }
}

}  // namespace

Result<UniqueFd> open_regular(const std::string& path, const std::string& what) {
  // O_NONBLOCK: a FIFO opens at once.
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return fail_errno(what);
  struct stat info {};
  if (::fstat(file.get(), &info) < 0) return fail_errno(what);
  const std::string other = other_kind(info.st_mode);
  if (!other.empty()) return fail(-EINVAL, what + ": " + other);
  return file;
}

Result<std::string> read_regular(const std::string& path, const std::string& what) {
  const auto file = open_regular(path, what);
  if (!file) return Failure(file.error());
  std::string text;
  for (std::array<char, kChunk> chunk;;) {
    const ssize_t n = ::read(file->get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(what);
    if (n == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace handoff::supervisor
