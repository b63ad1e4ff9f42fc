// The happy path: FICLONE, else copy_file_range(2), else read and write; attributes, mode, fsync.
// The failures: a full disk, an attribute that this process may not set; whoever asked removes what
// is there by then.
#include "supervisor/releases/file_copy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string_view>
#include <vector>

#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 20;

Result<void> write_all(int to, std::string_view rest, const std::string& name) {
  while (!rest.empty()) {
    const ssize_t n = ::write(to, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno("copying " + name);
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

// Where the kernel can't copy by itself: between file systems, or from memory.
Result<void> read_and_write(int from, int to, off_t offset, const std::string& name) {
  std::vector<char> chunk(kChunk);
  for (;;) {
    const ssize_t n = ::pread(from, chunk.data(), chunk.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("reading " + name);
    if (n == 0) return {};
    if (auto written = write_all(to, {chunk.data(), static_cast<std::size_t>(n)}, name); !written) {
      return written;
    }
    offset += n;
  }
}

Result<void> copy_bytes(int from, int to, const std::string& name) {
  if (::ioctl(to, FICLONE, from) == 0) return {};
  off_t offset = 0;
  for (;;) {
    const ssize_t n = ::copy_file_range(from, &offset, to, nullptr, kChunk, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO)) {
      return fail_errno("copying " + name);
    }
    if (n <= 0) break;
  }
  // The end of the file, or it can't be done (some file systems say so by a 0).
  return read_and_write(from, to, offset, name);
}

// nullopt: it has none of that name, or it can't be read.
std::optional<std::string> attribute(int fd, const char* name) {
  std::string value(64 * 1024, '\0');
  const ssize_t n = ::fgetxattr(fd, name, value.data(), value.size());
  if (n < 0) return std::nullopt;
  value.resize(static_cast<std::size_t>(n));
  return value;
}

Result<void> copy_attributes(int from, int to, const std::string& path) {
  std::string names(64 * 1024, '\0');
  const ssize_t n = ::flistxattr(from, names.data(), names.size());
  if (n < 0 && errno != ENOTSUP) return fail_errno("the attributes of " + path);
  names.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  for (std::string_view rest = names; !rest.empty();) {
    const std::string name(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    if (!name.starts_with("security.")) continue;
    const auto value = attribute(from, name.c_str());
    if (!value) return fail_errno("the attribute " + name + " of " + path);
    if (attribute(to, name.c_str()) == value) continue;
    if (::fsetxattr(to, name.c_str(), value->data(), value->size(), 0) < 0) {
      return fail_errno("giving a copy of " + path + " its attribute " + name);
    }
  }
  return {};
}

}  // namespace

// A supervisor that is not root has no right to, and needs none: its services are of its own user.
Result<void> give_to(const std::string& path, const struct stat& owner) {
  if (::lchown(path.c_str(), owner.st_uid, owner.st_gid) < 0 && errno != EPERM) {
    return fail_errno(path);
  }
  return {};
}

Result<void> copy_program(int from, const std::string& path, const std::string& to) {
  struct stat info {};
  if (::fstat(from, &info) < 0) return fail_errno(path);
  if ((info.st_mode & (S_ISUID | S_ISGID)) != 0) {
    return fail(-EPERM, path + " is setuid or setgid, and such a file is not copied");
  }
  const UniqueFd copy(::open(to.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!copy.valid()) return fail_errno(to);
  if (auto copied = copy_bytes(from, copy.get(), path); !copied) return copied;
  // First the owner: a change of it takes the capabilities away.
  if (auto given = give_to(to, info); !given) return given;
  if (auto copied = copy_attributes(from, copy.get(), path); !copied) return copied;
  if (::fchmod(copy.get(), info.st_mode & 07777) < 0) return fail_errno(to);
  if (::fsync(copy.get()) < 0) return fail_errno("copying " + path);
  return {};
}

}  // namespace handoff::supervisor
