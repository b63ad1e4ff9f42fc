// A releases folder may hold other things, since the configuration names it. So a folder is removed
// or replaced only if handoff's marker lies in it and names it.
#include "supervisor/releases/own_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "supervisor/base/regular_file.h"
#include "supervisor/base/write_access.h"
#include "supervisor/core/bundle_path.h"
#include "supervisor/releases/bundle_manifest.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

// What the marker of a folder begins with; nullopt if the folder can't be looked at. A copy of the
// folder has another inode.
std::optional<std::string> marker_head(int folder) {
  struct stat info {};
  if (::fstat(folder, &info) < 0) return std::nullopt;
  return "handoff unpacked a release into this folder, and removes it when newer ones are there.\n"
         "inode " +
         std::to_string(info.st_ino) + "\nname ";
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

UniqueFd open_below(int folder, const std::string& name) {
  return UniqueFd(::openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// What is in a folder, by names; nullopt if that can't be read to its end.
std::optional<std::vector<std::string>> names_in(int folder) {
  const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const dir = copy < 0 ? nullptr : ::fdopendir(copy);
  if (dir == nullptr) {
    if (copy >= 0) ::close(copy);
    return std::nullopt;
  }
  std::vector<std::string> out;
  errno = 0;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = static_cast<const char*>(entry->d_name);
    if (name != "." && name != "..") out.push_back(name);
    errno = 0;
  }
  const bool whole = errno == 0;
  ::closedir(dir);
  if (!whole) return std::nullopt;
  return out;
}

// Each step goes by an open folder, and a name in it: whatever is put on the way meanwhile, what is
// removed lay in this folder. but: stays.
bool empty(int folder, const std::string& but) {
  const auto names = names_in(folder);
  bool all = names.has_value();
  for (const std::string& name : names.value_or(std::vector<std::string>{})) {
    if (name == but) continue;
    if (::unlinkat(folder, name.c_str(), 0) == 0) continue;
    {
      const UniqueFd below = open_below(folder, name);
      all = below.valid() && empty(below.get(), "") && all;
    }
    all = ::unlinkat(folder, name.c_str(), AT_REMOVEDIR) == 0 && all;
  }
  return all;
}

// A bundle's folder from before there were markers: what release.toml says is its name.
bool looks_like_a_release(int folder, const std::string& name) {
  const UniqueFd below = open_below(folder, name);
  if (!below.valid()) return false;
  const std::string manifest = "/proc/self/fd/" + std::to_string(below.get()) + "/" + kManifestName;
  const auto text = read_regular(manifest, manifest);
  const auto parsed = text ? parse_manifest(*text) : Failure(text.error());
  return parsed && parsed->folder() == name;
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
    if (!folder.valid() || !is_marked_folder(folder.get(), name)) continue;
    out.push_back({name, entry.last_write_time(error)});
  }
  std::sort(out.begin(), out.end(), [](const Found& a, const Found& b) {
    return a.changed > b.changed || (a.changed == b.changed && a.name > b.name);
  });
  return out;
}

}  // namespace

void remove_folder(const std::string& path) {
  const UniqueFd above = open_folder(fs::path(path).parent_path());
  const std::string name = fs::path(path).filename();
  if (!above.valid()) return;
  if (const UniqueFd folder = open_below(above.get(), name); folder.valid()) {
    (void)empty(folder.get(), "");
  }
  (void)::unlinkat(above.get(), name.c_str(), AT_REMOVEDIR);
}

UniqueFd open_folder(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// The marker is there whole, or as it was.
Result<void> mark_folder(int folder, const std::string& name) {
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
bool is_marked_folder(int folder, const std::string& name) {
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
         (name.starts_with(kHiddenPrefix) || text.substr(head->size()) == name + "\n");
}

// Removes a folder that handoff has made and nobody holds. false: it is another's, held, or could
// not be removed. The marker goes last, so that what is left of it is still known as handoff's.
bool remove_own_folder(const std::string& path) {
  const UniqueFd folder = open_folder(path);
  if (!folder.valid() || !is_marked_folder(folder.get(), fs::path(path).filename())) return false;
  if (::flock(folder.get(), LOCK_EX | LOCK_NB) < 0 || !is_at(folder.get(), path)) return false;
  if (holds_a_mount(path)) return false;
  const UniqueFd above = open_folder(fs::path(path).parent_path());
  if (!above.valid() || !empty(folder.get(), kReleaseMarker)) return false;
  const std::string name = fs::path(path).filename();
  struct stat open {};
  struct stat there {};
  // Till here nobody has put another in its place.
  if (::fstat(folder.get(), &open) < 0 ||
      ::fstatat(above.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) < 0 ||
      open.st_ino != there.st_ino || open.st_dev != there.st_dev) {
    return false;
  }
  if (::unlinkat(folder.get(), kReleaseMarker, 0) < 0) return false;
  if (::unlinkat(above.get(), name.c_str(), AT_REMOVEDIR) == 0) return true;
  // Somebody has put something there meanwhile. What is left stays known as handoff's.
  (void)mark_folder(folder.get(), name);
  return false;
}

std::string foreign_problem(const std::string& path) {
  const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return "";  // whoever creates or opens it says what is wrong
  const auto names = names_in(folder.get());
  if (!names) return path + " can't be read";
  std::string foreign;
  for (const std::string& name : *names) {
    if (name == kReleasesMarker) return "";
    if (name.starts_with(kHiddenPrefix)) continue;
    const UniqueFd below = open_below(folder.get(), name);
    if (below.valid() && is_marked_folder(below.get(), name)) return "";
    if (!looks_like_a_release(folder.get(), name)) foreign = name;
  }
  if (foreign.empty()) return "";
  return path + " holds other things (" + foreign +
         ", say), and no release that handoff has unpacked: give releases_dir a folder of its own; "
         "or, if it is to be this one, create the file " +
         kReleasesMarker + " in it";
}

Result<UniqueFd> open_releases(const std::string& path) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  if (::mkdir(path.c_str(), 0755) < 0 && errno != EEXIST) return fail_errno("creating " + path);
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) < 0) return fail_errno(path);
  if (!is_ours_alone(info)) {
    return fail(-EPERM, path +
                            " can be changed by others: what runs from there must not be (chown, "
                            "chmod go-w)");
  }
  if (::flock(fd.get(), LOCK_EX) < 0) return fail_errno(path);
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kHiddenPrefix)) continue;
    (void)remove_own_folder(entry.path());
  }
  return fd;
}

std::vector<std::string> own_folders_in(const std::string& path) {
  std::vector<std::string> out;
  for (Found& found : releases_in(path)) out.push_back(std::move(found.name));
  return out;
}

void prune_own_folders(const std::string& path, std::size_t count,
                       const std::set<std::string>& named) {
  std::size_t rank = 0;
  for (const std::string& name : own_folders_in(path)) {
    if (++rank <= count || named.contains(name)) continue;
    (void)remove_own_folder(path + "/" + name);
  }
}

}  // namespace handoff::supervisor
