// The happy path: mkdtemp, mark, fill, digest, flush, rename, flush the folder above. The failures:
// fill says no, or the disk is full, and the hidden folder is removed; a crash leaves a hidden
// folder, which the next one who opens the folder removes.
//
// A releases folder may hold other things, since the configuration names it. So a folder is removed
// or replaced only if handoff's marker lies in it and names it: its inode, which a copy does not
// have, and its name, which it loses when an operator renames it to keep it.
#include "supervisor/releases/releases_dir.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "supervisor/core/bundle_path.h"
#include "supervisor/releases/digest.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHidden = ".unpacking-";

void remove_folder(const std::string& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

UniqueFd open_folder(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

constexpr const char* kNewMarker = ".handoff-release.new";

// What the marker of a folder begins with; nullopt if the folder can't be looked at. A copy of the
// folder has another inode.
std::optional<std::string> marker_head(int folder) {
  struct stat info {};
  if (::fstat(folder, &info) < 0) return std::nullopt;
  return "handoff unpacked a release into this folder, and removes it when newer ones are there.\n"
         "inode " +
         std::to_string(info.st_ino) + "\nname ";
}

// The marker is there whole, or as it was.
Result<void> mark(int folder, const std::string& name) {
  const auto head = marker_head(folder);
  if (!head) return fail_errno("marking " + name);
  const std::string text = *head + name + "\n";
  const UniqueFd file(
      ::openat(folder, kNewMarker, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file.valid()) return fail_errno("marking " + name);
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t n = ::write(file.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno("marking " + name);
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(file.get()) < 0 || ::renameat(folder, kNewMarker, folder, kReleaseMarker) < 0) {
    return fail_errno("marking " + name);
  }
  return {};
}

// Whether handoff has made this folder under this name. One that was being unpacked may be marked
// for the name that it was to get.
bool is_marked(int folder, const std::string& name) {
  const auto head = marker_head(folder);
  const UniqueFd file(
      ::openat(folder, kReleaseMarker, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!head || !file.valid() || ::fstat(file.get(), &info) < 0) return false;
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid()) return false;
  std::array<char, 1024> chunk{};
  const ssize_t n = ::pread(file.get(), chunk.data(), chunk.size(), 0);
  const std::string_view text(chunk.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  return text.starts_with(*head) &&
         (name.starts_with(kHidden) || text.substr(head->size()) == name + "\n");
}

// What is at that path is that open folder.
bool is_at(int folder, const std::string& path) {
  struct stat open {};
  struct stat there {};
  return ::fstat(folder, &open) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         open.st_ino == there.st_ino && open.st_dev == there.st_dev;
}

// Something that is mounted in a release is no part of it.
bool holds_a_mount(const std::string& path) {
  const auto mount_of = [](const std::string& what) -> std::optional<std::uint64_t> {
    struct statx info {};
    if (::statx(AT_FDCWD, what.c_str(), AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &info) < 0) return {};
    return info.stx_mnt_id;
  };
  const auto own = mount_of(path);
  std::error_code error;
  for (auto at = fs::recursive_directory_iterator(path, error);
       !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (mount_of(at->path()) != own) return true;
  }
  return !!error;
}

// Removes a folder that handoff has made and nobody holds. false: it is another's, held, or could
// not be removed. The marker goes last, so that what is left of it is still known as handoff's.
bool remove_if_ours(const std::string& path) {
  const UniqueFd folder = open_folder(path);
  if (!folder.valid() || !is_marked(folder.get(), fs::path(path).filename())) return false;
  if (::flock(folder.get(), LOCK_EX | LOCK_NB) < 0 || !is_at(folder.get(), path)) return false;
  if (holds_a_mount(path)) return false;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.path().filename() == kReleaseMarker) continue;
    fs::remove_all(entry.path(), error);
    if (error) return false;
  }
  if (error) return false;
  fs::remove_all(path, error);
  return !error;
}

// One line for each thing in the folder but the marker, in the order of their names.
Result<std::string> digest_of_tree(const std::string& root) {
  std::vector<std::string> lines;
  std::error_code error;
  for (auto at = fs::recursive_directory_iterator(root, error);
       !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    struct stat info {};
    const std::string& path = at->path().native();
    if (path == root + "/" + kReleaseMarker || path == root + "/" + kNewMarker) continue;
    if (::lstat(path.c_str(), &info) < 0) return fail_errno(path);
    std::string line = path.substr(root.size() + 1) + '\0' + std::to_string(info.st_mode);
    if (S_ISREG(info.st_mode)) {
      const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
      if (!file.valid()) return fail_errno(path);
      auto hash = digest(file.get(), path);
      if (!hash) return hash;
      line += '\0' + *hash;
    } else if (S_ISLNK(info.st_mode)) {
      line += '\0' + fs::read_symlink(at->path(), error).native();
    }
    lines.push_back(std::move(line));
  }
  if (error) return fail(-error.value(), root + ": " + error.message());
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const std::string& line : lines) all += line + '\0';
  return digest(all);
}

struct Found {
  std::string name;
  fs::file_time_type changed;
};

// The folders that handoff has made, the youngest first.
std::vector<Found> releases_in(const std::string& path) {
  std::vector<Found> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with('.')) continue;
    const UniqueFd folder = open_folder(entry.path());
    if (!folder.valid() || !is_marked(folder.get(), name)) continue;
    out.push_back({name, entry.last_write_time(error)});
  }
  std::sort(out.begin(), out.end(), [](const Found& a, const Found& b) {
    return a.changed > b.changed || (a.changed == b.changed && a.name > b.name);
  });
  return out;
}

}  // namespace

// ---- one release ----------------------------------------------------------------------------

Result<ReleaseFolderPtr> ReleaseFolder::hold(const std::string& path) {
  ReleaseFolderPtr out(new ReleaseFolder);
  out->path_ = path;
  out->fd_ = open_folder(path);
  if (!out->fd_.valid()) return fail_errno(path);
  if (::flock(out->fd_.get(), LOCK_SH | LOCK_NB) < 0) return fail_errno(path);
  auto tree = digest_of_tree(path);
  if (!tree) return Failure(tree.error());
  out->tree_ = std::move(*tree);
  return out;
}

ReleaseFolder::~ReleaseFolder() {
  if (kept_ || path_.empty()) return;
  // Whoever else has come to hold it goes on having it.
  fd_.reset();
  (void)remove_if_ours(path_);
}

Result<UniqueFd> ReleaseFolder::open_file(const std::string& path) const {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  UniqueFd file(
      static_cast<int>(::syscall(SYS_openat2, fd_.get(), path.c_str(), &how, sizeof how)));
  if (!file.valid()) return fail_errno(path);
  return file;
}

// ---- all of them ----------------------------------------------------------------------------

Result<ReleasesDir> ReleasesDir::open(const std::string& path) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  if (::mkdir(path.c_str(), 0755) < 0 && errno != EEXIST) return fail_errno("creating " + path);
  ReleasesDir out;
  out.path_ = path;
  out.fd_.reset(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat info {};
  if (!out.fd_.valid() || ::fstat(out.fd_.get(), &info) < 0) return fail_errno(path);
  if (info.st_uid != ::geteuid() || (info.st_mode & 022) != 0) {
    return fail(-EPERM, path +
                            " can be changed by others: what is unpacked there must not be (chown, "
                            "chmod go-w)");
  }
  if (::flock(out.fd_.get(), LOCK_EX) < 0) return fail_errno(path);
  // What was being unpacked when somebody died.
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kHidden)) continue;
    (void)remove_if_ours(entry.path());
  }
  return out;
}

Result<ReleaseFolderPtr> ReleasesDir::add(
    const std::function<Result<std::string>(int folder)>& fill) {
  std::string hidden = path_ + "/" + kHidden + "XXXXXX";
  if (::mkdtemp(hidden.data()) == nullptr) return fail_errno("unpacking in " + path_);
  const auto added = [&]() -> Result<ReleaseFolderPtr> {
    const UniqueFd folder = open_folder(hidden);
    if (!folder.valid() || ::fchmod(folder.get(), 0755) < 0) return fail_errno(hidden);
    if (auto marked = mark(folder.get(), fs::path(hidden).filename()); !marked) {
      return Failure(marked.error());
    }
    const auto name = fill(folder.get());
    if (!name) return Failure(name.error());
    return put(hidden, *name);
  }();
  remove_folder(hidden);  // gone already, if it has its name
  return added;
}

Result<ReleaseFolderPtr> ReleasesDir::put(const std::string& hidden, const std::string& name) {
  auto release = ReleaseFolder::hold(hidden);
  if (!release) return release;
  const std::string path = path_ + "/" + name;
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) {
    const UniqueFd old = open_folder(path);
    if (!old.valid() || !is_marked(old.get(), name)) {
      return fail(-EEXIST, path + " is there already, and handoff did not make it (there is no " +
                               kReleaseMarker +
                               " of its own in it), so it is not replaced: move it away, give the "
                               "bundle another version, or set releases_dir to another folder");
    }
    auto before = ReleaseFolder::hold(path);
    if (before && (*before)->tree() == (*release)->tree()) {
      (void)::futimens((*before)->fd(), nullptr);  // the youngest again
      return before;
    }
    // Of the same name, but something else: it makes way, unless somebody holds it.
    if (before) before->reset();  // and so its lock
    if (!remove_if_ours(path)) {
      return fail(-EEXIST, path +
                               " is there already, with other contents, and is in use (or can't "
                               "be removed): give the bundle another version");
    }
  }
  if (auto marked = mark((*release)->fd(), name); !marked) return Failure(marked.error());
  if (::renameat2(AT_FDCWD, hidden.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) < 0) {
    return fail_errno(path);
  }
  (*release)->path_ = path;
  (*release)->kept_ = false;
  if (::fsync(fd_.get()) < 0) return fail_errno(path);
  return release;
}

void ReleasesDir::prune() const {
  std::size_t rank = 0;
  for (const Found& found : releases_in(path_)) {
    if (++rank <= kKeep) continue;
    (void)remove_if_ours(path_ + "/" + found.name);
  }
}

}  // namespace handoff::supervisor
