#include "supervisor/host/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "libhandoff/base/unique_fd.h"
#include "supervisor/base/write_access.h"

namespace handoff::supervisor {
namespace {

constexpr std::size_t kLargest = 64 * 1024 * 1024;

std::string path_of(int folder, const std::string& name) {
  std::error_code error;
  const auto at = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(folder), error);
  return error ? name : at.string() + "/" + name;
}

// Some file systems know no flush.
bool flushed(int fd) { return ::fsync(fd) == 0 || errno == EINVAL || errno == EROFS; }

}  // namespace

Result<void> create_private(int folder, const std::string& name, std::string_view text,
                            Outlives outlives) {
  const auto failed = [&] { return fail_errno("writing " + path_of(folder, name)); };
  // Not over one that lies there: only what is created here is known to be ours alone.
  if (::unlinkat(folder, name.c_str(), 0) < 0 && errno != ENOENT) return failed();
  const UniqueFd file(
      ::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return failed();
  while (!text.empty()) {
    const ssize_t n = ::write(file.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failed();
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (outlives == Outlives::kHost && !flushed(file.get())) return failed();
  return {};
}

Result<void> replace_private(int folder, const std::string& name, std::string_view text,
                             Outlives outlives) {
  const std::string fresh = name + ".new";
  if (auto created = create_private(folder, fresh, text, outlives); !created) return created;
  if (::renameat(folder, fresh.c_str(), folder, name.c_str()) < 0 ||
      (outlives == Outlives::kHost && !flushed(folder))) {
    return fail_errno("writing " + path_of(folder, name));
  }
  return {};
}

Result<std::optional<std::string>> read_private(int folder, const std::string& name) {
  const auto failed = [&] { return fail_errno("reading " + path_of(folder, name)); };
  const UniqueFd file(
      ::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.valid()) {
    if (errno == ENOENT) return std::nullopt;
    return failed();
  }
  struct stat info {};
  if (::fstat(file.get(), &info) < 0) return failed();
  if (!S_ISREG(info.st_mode) || !is_ours_alone(info)) {
    return fail(-EPERM, path_of(folder, name) + " is no file of this user's alone");
  }
  std::string text;
  std::array<char, 16384> chunk;
  for (;;) {
    const ssize_t n = ::read(file.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed();
    if (n == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(n));
    if (text.size() > kLargest) {
      return fail(-EFBIG, path_of(folder, name) + " is too large to be true");
    }
  }
}

}  // namespace handoff::supervisor
