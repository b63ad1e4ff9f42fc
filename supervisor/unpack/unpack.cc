// libarchive reads a tar that is decompressed already, and nothing else: it never opens a path.
// Every folder is entered from the one above it by openat(O_NOFOLLOW), so that a link in the
// archive can't lead a later entry anywhere. Links are made as they are and followed once all is
// there, by openat2(RESOLVE_BENEATH): the kernel's own word on whether one leads out, also through
// other links.
#include "supervisor/unpack/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <locale.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "libhandoff/base/unique_fd.h"
#include "supervisor/core/bundle_path.h"
#include "supervisor/unpack/tar_bytes.h"

namespace handoff::supervisor {
namespace {

constexpr std::size_t kChunk = 64 * 1024;
constexpr std::size_t kTarBlock = 512;

using Parts = std::vector<std::string>;

// File names are UTF-8, whatever the locale is.
class Utf8 {
 public:
  Utf8() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ != nullptr) before_ = ::uselocale(locale_);
  }
  ~Utf8() {
    if (locale_ == nullptr) return;
    (void)::uselocale(before_);
    ::freelocale(locale_);
  }
  Utf8(const Utf8&) = delete;
  Utf8& operator=(const Utf8&) = delete;

 private:
  locale_t locale_ = nullptr;
  locale_t before_ = nullptr;
};

struct FreeArchive {
  void operator()(archive* open) const { (void)::archive_read_free(open); }
};
using Archive = std::unique_ptr<archive, FreeArchive>;

Failure refuse(const std::string& what) { return fail(-EBADMSG, "it is not unpacked: " + what); }

Failure broken(archive* from) {
  const char* why = ::archive_error_string(from);
  return refuse(std::string("the archive is broken: ") +
                (why != nullptr ? why : "no reason given"));
}

class Unpacker {
 public:
  Unpacker(archive* from, int root, const UnpackLimits& limits)
      : from_(from), root_(root), limits_(limits), chunk_(kChunk) {}

  Result<void> all() {
    for (;;) {
      archive_entry* entry = nullptr;
      const int next = ::archive_read_next_header(from_, &entry);
      if (next == ARCHIVE_EOF) break;
      if (next != ARCHIVE_OK) return broken(from_);
      if (auto done = take(entry); !done) return done;
    }
    for (const std::string& link : links_) {
      if (auto inside = follow(link); !inside) return inside;
    }
    for (const Parts& folder : folders_) {
      const auto fd = enter(folder, folder.size());
      if (!fd) return Failure(fd.error());
      if (::fsync(fd->get()) < 0) return fail_errno("flushing what was unpacked");
    }
    if (::fsync(root_) < 0) return fail_errno("flushing what was unpacked");
    return {};
  }

 private:
  Result<void> take(archive_entry* entry) {
    const char* raw = ::archive_entry_pathname(entry);
    if (raw == nullptr) return refuse("a name in it can't be read");
    const std::string path(raw);
    const auto parts = bundle_path(path, limits_.path);
    if (!parts) return refuse(parts.error().message);
    if (auto room = count(); !room) return room;
    const char* hard = ::archive_entry_hardlink(entry);
    const auto type = ::archive_entry_filetype(entry);
    // libarchive would pass over its contents, however many there are.
    if ((hard != nullptr || type != AE_IFREG) && ::archive_entry_size(entry) != 0) {
      return refuse(path + " is no file, and has contents");
    }
    if (parts->empty()) {
      if (hard == nullptr && type == AE_IFDIR) return {};  // "./"
      return refuse("an entry of it has no name");
    }
    if (hard != nullptr) return link_hard(path, *parts, hard);
    if (type == AE_IFDIR) {
      const auto made = enter(*parts, parts->size());
      return made ? Result<void>{} : Failure(made.error());
    }
    if (type == AE_IFLNK) return link(path, *parts, ::archive_entry_symlink(entry));
    if (type == AE_IFREG) return file(path, *parts, entry);
    return refuse(path + " is a device, a pipe or a socket");
  }

  Result<void> count() {
    if (++entries_ <= limits_.entries) return {};
    return refuse("it has more than " + std::to_string(limits_.entries) + " files");
  }

  // The folder that the first `depth` parts name, made if need be.
  Result<UniqueFd> enter(const Parts& parts, std::size_t depth) {
    UniqueFd at(::openat(root_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (std::size_t i = 0; at.valid() && i < depth; ++i) {
      if (::mkdirat(at.get(), parts[i].c_str(), 0755) == 0) {
        if (auto room = count(); !room) return Failure(room.error());
        folders_.emplace_back(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      } else if (errno != EEXIST) {
        return fail_errno("unpacking " + parts[i]);
      }
      at.reset(
          ::openat(at.get(), parts[i].c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!at.valid() && (errno == ELOOP || errno == ENOTDIR)) {
        return refuse(parts[i] + " is no folder, and something is to be in it");
      }
    }
    if (!at.valid()) return fail_errno("unpacking");
    return at;
  }
  Result<UniqueFd> parent_of(const Parts& parts) { return enter(parts, parts.size() - 1); }

  static Failure made_twice(const std::string& path) {
    if (errno == EEXIST) return refuse(path + " is in it twice");
    return fail_errno("unpacking " + path);
  }

  Result<void> file(const std::string& path, const Parts& parts, archive_entry* entry) {
    const auto mode = ::archive_entry_perm(entry);
    if ((mode & (S_ISUID | S_ISGID)) != 0) return refuse(path + " is setuid or setgid");
    // What it claims is checked before anything is written, what comes out again below.
    const auto claimed = ::archive_entry_size(entry);
    if (claimed < 0 || static_cast<std::uint64_t>(claimed) > limits_.bytes - bytes_)
      return too_big();
    const auto folder = parent_of(parts);
    if (!folder) return Failure(folder.error());
    const mode_t kept = (mode & 0111) != 0 ? 0755 : 0644;
    const UniqueFd to(::openat(folder->get(), parts.back().c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kept));
    if (!to.valid()) return made_twice(path);
    for (;;) {
      const auto n = ::archive_read_data(from_, chunk_.data(), chunk_.size());
      if (n == 0) break;
      if (n < 0) return broken(from_);
      bytes_ += static_cast<std::uint64_t>(n);
      if (bytes_ > limits_.bytes) return too_big();
      if (auto written = write_all(to.get(), path, static_cast<std::size_t>(n)); !written) {
        return written;
      }
    }
    if (::fsync(to.get()) < 0) return fail_errno("unpacking " + path);
    return {};
  }

  Failure too_big() const {
    return refuse("it unpacks to more than " + std::to_string(limits_.bytes) + " bytes");
  }

  Result<void> write_all(int to, const std::string& path, std::size_t size) {
    for (std::size_t done = 0; done < size;) {
      const ssize_t n = ::write(to, chunk_.data() + done, size - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("unpacking " + path);
      done += static_cast<std::size_t>(n);
    }
    return {};
  }

  Result<void> link(const std::string& path, const Parts& parts, const char* target) {
    if (target == nullptr || *target == '\0') return refuse(path + " is a link to nothing");
    const auto folder = parent_of(parts);
    if (!folder) return Failure(folder.error());
    if (::symlinkat(target, folder->get(), parts.back().c_str()) < 0) return made_twice(path);
    links_.push_back(path);
    return {};
  }

  // To a file that came before.
  Result<void> link_hard(const std::string& path, const Parts& parts, const char* target) {
    const auto to = bundle_path(target, limits_.path);
    if (!to || to->empty()) return refuse(path + " is a link that leads out of the bundle");
    const auto folder = parent_of(parts);
    if (!folder) return Failure(folder.error());
    const auto other = parent_of(*to);
    if (!other) return Failure(other.error());
    struct stat found {};
    if (::fstatat(other->get(), to->back().c_str(), &found, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(found.st_mode)) {
      return refuse(path + " is a link to " + target + ", which is no file before it");
    }
    if (::linkat(other->get(), to->back().c_str(), folder->get(), parts.back().c_str(), 0) < 0) {
      return made_twice(path);
    }
    return {};
  }

  Result<void> follow(const std::string& path) const {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    const UniqueFd end(
        static_cast<int>(::syscall(SYS_openat2, root_, path.c_str(), &how, sizeof how)));
    if (end.valid()) return {};
    if (errno == EXDEV) return refuse(path + " is a link that leads out of the bundle");
    if (errno == ENOENT || errno == ELOOP || errno == ENOTDIR) {
      return refuse(path + " is a link to nothing");
    }
    return fail_errno("unpacking " + path);
  }

  archive* from_;
  int root_;
  UnpackLimits limits_;
  std::vector<char> chunk_;
  std::size_t entries_ = 0;
  std::uint64_t bytes_ = 0;
  std::vector<std::string> links_;
  std::vector<Parts> folders_;
};

// What libarchive reads beside files (attributes, padding) is of no use here, and has a limit, too.
struct Source {
  TarBytes& bytes;
  std::uint64_t most;
};
constexpr std::uint64_t kMostBeside = 64 * 1024;  // of each entry: a header, long names, attributes

std::uint64_t most_of(const UnpackLimits& limits) {
  return limits.bytes + (limits.entries + 1) * kMostBeside;
}

// libarchive asks for the next bytes. An exception must not pass through its C code.
la_ssize_t read_next(archive* reader, void* from, const void** buffer) try {
  const Source& source = *static_cast<Source*>(from);
  auto bytes = source.bytes.next();
  if (bytes && source.bytes.size() > source.most) {
    bytes = fail(-EBADMSG, "it has more than " + std::to_string(source.most) +
                               " bytes, those beside its files included");
  }
  if (!bytes) {
    ::archive_set_error(reader, -bytes.error().code, "%s", bytes.error().message.c_str());
    return ARCHIVE_FATAL;
  }
  *buffer = bytes->data();
  return static_cast<la_ssize_t>(bytes->size());
} catch (const std::exception& error) {
  ::archive_set_error(reader, ENOMEM, "%s", error.what());
  return ARCHIVE_FATAL;
}

// All that libarchive did not need is read, too: a checksum comes at the end, and of a tar that is
// cut off between two files the end mark is missing. It begins at that offset.
Result<void> check_end(TarBytes& bytes, std::uint64_t mark) {
  constexpr std::uint64_t kMostPadding = 16 << 20;  // tar pads to a record, of 10 KiB unless told
  for (;;) {
    const auto more = bytes.next();
    if (!more) return refuse("the archive is broken: " + more.error().message);
    if (more->empty()) break;
    if (bytes.size() > mark + kMostPadding) {
      return refuse("the archive is broken: it goes on after its end mark");
    }
  }
  if (bytes.size() % kTarBlock != 0 || bytes.size() < mark + 2 * kTarBlock) {
    return refuse("the archive is broken: it is cut off");
  }
  if (bytes.used() > mark) return refuse("the archive is broken: it goes on after its end mark");
  return {};
}

}  // namespace

Result<void> unpack(int fd, int folder, const UnpackLimits& limits) {
  const Utf8 names;
  const Archive from(::archive_read_new());
  if (!from) return fail(-ENOMEM, "libarchive");
  (void)::archive_read_support_format_tar(from.get());
  const auto bytes = TarBytes::open(fd);
  if (!bytes) return Failure(bytes.error());
  Source source{**bytes, most_of(limits)};
  if (::archive_read_open(from.get(), &source, nullptr, read_next, nullptr) != ARCHIVE_OK) {
    return broken(from.get());
  }
  if (auto done = Unpacker(from.get(), folder, limits).all(); !done) return done;
  return check_end(**bytes, static_cast<std::uint64_t>(::archive_read_header_position(from.get())));
}

}  // namespace handoff::supervisor
