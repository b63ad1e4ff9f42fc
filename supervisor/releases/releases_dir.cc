// The happy path: mkdtemp, mark, fill, digest, flush, rename, flush the folder above. The failures:
// fill says no, or the disk is full, and the hidden folder is removed; a crash leaves a hidden
// folder, which the next one who opens the folder removes.
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
#include "supervisor/releases/own_folder.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

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
  (void)remove_own_folder(path_);
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
  auto fd = open_releases(path);
  if (!fd) return Failure(fd.error());
  ReleasesDir out;
  out.path_ = path;
  out.fd_ = std::move(*fd);
  return out;
}

Result<ReleaseFolderPtr> ReleasesDir::add(
    const std::function<Result<std::string>(int folder)>& fill) {
  std::string hidden = path_ + "/" + kHiddenPrefix + "XXXXXX";
  if (::mkdtemp(hidden.data()) == nullptr) return fail_errno("unpacking in " + path_);
  const auto added = [&]() -> Result<ReleaseFolderPtr> {
    const UniqueFd folder = open_folder(hidden);
    if (!folder.valid() || ::fchmod(folder.get(), 0755) < 0) return fail_errno(hidden);
    if (auto marked = mark_folder(folder.get(), fs::path(hidden).filename()); !marked) {
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
    if (!old.valid() || !is_marked_folder(old.get(), name)) {
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
    if (!remove_own_folder(path)) {
      return fail(-EEXIST, path +
                               " is there already, with other contents, and is in use (or can't "
                               "be removed): give the bundle another version");
    }
  }
  if (auto marked = mark_folder((*release)->fd(), name); !marked) return Failure(marked.error());
  if (::renameat2(AT_FDCWD, hidden.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) < 0) {
    return fail_errno(path);
  }
  (*release)->path_ = path;
  (*release)->kept_ = false;
  if (::fsync(fd_.get()) < 0) return fail_errno(path);
  return release;
}

void ReleasesDir::prune() const { prune_own_folders(path_, kKeep, {}); }

}  // namespace handoff::supervisor
