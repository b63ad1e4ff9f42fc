// The happy path: mkdtemp, mark, copy each file, digest the copies, flush, rename, flush the folder
// above. The failures: a disk that is full, or a file that has changed since it was opened; the
// hidden folder is removed, and what is there of other releases stays. A crash leaves a hidden
// folder, which the next one who opens the folder removes.
#include "supervisor/releases/kept_releases.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "supervisor/host/private_file.h"
#include "supervisor/releases/digest.h"
#include "supervisor/releases/file_copy.h"
#include "supervisor/releases/own_folder.h"

namespace handoff::supervisor {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kRoot = "/root";
constexpr const char* kDescription = "release.json";
constexpr std::size_t kIdDigits = 16;

std::string text_of(const json& value, int indent = -1) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

json describe(const Release& release) {
  json files = json::array();
  for (const ReleaseFile& file : release.files) {
    files.push_back({{"path", file.path}, {"digest", file.digest}});
  }
  return {{"format", 1},
          {"release", release.name},
          {"source", release.source},
          {"path", release.path},
          {"args", release.args},
          {"digest", release.digest},
          {"files", std::move(files)}};
}

Result<void> flush_folder(const std::string& path) {
  const UniqueFd folder = open_folder(path);
  if (!folder.valid() || ::fsync(folder.get()) < 0) return fail_errno(path);
  return {};
}

// A service that has changed its user reaches a copy as it reaches the file: the folders on the way
// have the owner and the mode of those on the way to the file. Others than their owner may never
// write to them.
Result<void> make_folders(const std::string& root, const std::string& path) {
  for (std::size_t at = 0; (at = path.find('/', at + 1)) != std::string::npos;) {
    const std::string original = path.substr(0, at);
    const std::string to = place_below(root, original);
    if (::mkdir(to.c_str(), 0700) < 0) {
      if (errno == EEXIST) continue;
      return fail_errno(to);
    }
    struct stat info {};
    // One that was moved away: nobody else needs to get there.
    if (::stat(original.c_str(), &info) < 0) continue;
    if (auto given = give_to(to, info); !given) return given;
    if (::chmod(to.c_str(), info.st_mode & 0755) < 0) return fail_errno(to);
  }
  return {};
}

// The copy is what was opened, whatever has been written to the file meanwhile.
Result<void> copy_one(int from, const std::string& path, const std::string& digest_of_it,
                      const std::string& root) {
  const std::string to = place_below(root, path);
  if (auto made = make_folders(root, path); !made) return made;
  if (auto copied = copy_program(from, path, to); !copied) return copied;
  const UniqueFd copy(::open(to.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!copy.valid()) return fail_errno(to);
  const auto hash = digest(copy.get(), to);
  if (!hash) return Failure(hash.error());
  if (*hash != digest_of_it) return fail(-ESTALE, path + " was written to since it was opened");
  return {};
}

// A service writes to its data, and to no program. From a copy of data it would start as it was
// long ago, and then write to the copy. (A lease for reading is given only where nobody has the
// file open for writing. Where it is not given for another reason, nobody knows.)
Result<void> expect_no_writer(int file, const std::string& path) {
  if (::fcntl(file, F_SETLEASE, F_RDLCK) == 0) {
    (void)::fcntl(file, F_SETLEASE, F_UNLCK);
    return {};
  }
  if (errno != EAGAIN) return {};
  return fail(-ETXTBSY, path +
                            " is open for writing; what a service writes to is no part of its "
                            "release, and is left out by files = [\"!" +
                            path + "\"]");
}

Result<void> fill(const Release& release, const std::string& folder) {
  const std::string root = folder + kRoot;
  if (::mkdir(root.c_str(), 0755) < 0) return fail_errno(root);
  for (const std::string& each : {folder, root}) {
    if (::chmod(each.c_str(), 0755) < 0) return fail_errno(each);
  }
  if (!release.in_bundle()) {
    if (auto copied = copy_one(release.file.get(), release.path, release.program_digest, root);
        !copied) {
      return copied;
    }
  }
  for (const ReleaseFile& one : release.files) {
    const std::string from = release.own_place_of(one);
    const UniqueFd file(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.valid()) return fail_errno(from);
    if (auto unused = expect_no_writer(file.get(), from); !unused) return unused;
    if (auto copied = copy_one(file.get(), one.path, one.digest, root); !copied) return copied;
  }
  const UniqueFd opened = open_folder(folder);
  if (!opened.valid()) return fail_errno(folder);
  if (auto written = create_private(opened.get(), kDescription,
                                    text_of(describe(release), 1) + "\n", Outlives::kHost);
      !written) {
    return written;
  }
  std::error_code error;
  for (auto at = fs::recursive_directory_iterator(root, error);
       !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (!at->is_directory(error)) continue;
    if (auto flushed = flush_folder(at->path()); !flushed) return flushed;
  }
  if (error) return fail(-error.value(), root + ": " + error.message());
  if (auto flushed = flush_folder(root); !flushed) return flushed;
  return flush_folder(folder);
}

}  // namespace

std::string KeptReleases::folder_of(const std::string& state, const std::string& service) {
  // The next supervisor may stand elsewhere.
  std::error_code error;
  const auto absolute = fs::absolute(state, error);
  return (error ? state : absolute.string()) + "/kept/" + service;
}

std::string KeptReleases::id_of(const Release& release) {
  json paths = json::array();
  for (const ReleaseFile& file : release.files) paths.push_back(file.path);
  const json all{release.digest, release.path, release.args, std::move(paths)};
  return digest(text_of(all)).substr(0, kIdDigits);
}

Result<void> KeptReleases::keep(const Release& release) const {
  if (!release.needs_copy()) return {};
  auto folder = open_releases(folder_);
  if (!folder) return Failure(folder.error());
  struct statvfs system {};
  if (::fstatvfs(folder->get(), &system) == 0 && (system.f_flag & ST_NOEXEC) != 0) {
    return fail(-EACCES, folder_ +
                             " is on a file system that is mounted noexec, where no copy could "
                             "run: set HANDOFF_STATE_DIR to another folder");
  }
  const std::string id = id_of(release);
  if (root_of(release)) {
    (void)::utimensat(folder->get(), id.c_str(), nullptr, 0);  // the youngest again
    return {};
  }
  std::string hidden = folder_ + "/" + kHiddenPrefix + "XXXXXX";
  if (::mkdtemp(hidden.data()) == nullptr) return fail_errno("keeping a release in " + folder_);
  const auto kept = [&]() -> Result<void> {
    const UniqueFd made = open_folder(hidden);
    if (!made.valid()) return fail_errno(hidden);
    if (auto marked = mark_folder(made.get(), fs::path(hidden).filename()); !marked) return marked;
    if (auto filled = fill(release, hidden); !filled) return filled;
    if (auto marked = mark_folder(made.get(), id); !marked) return marked;
    const std::string path = folder_ + "/" + id;
    // What is there by that name is not what it should be.
    (void)remove_own_folder(path);
    if (::renameat2(AT_FDCWD, hidden.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) < 0) {
      return fail_errno(path);
    }
    if (::fsync(folder->get()) < 0) return fail_errno(folder_);
    return {};
  }();
  if (!kept) remove_folder(hidden);
  return kept;
}

Result<std::string> KeptReleases::root_of(const Release& release) const {
  const std::string id = id_of(release);
  const std::string path = folder_ + "/" + id;
  const UniqueFd folder = open_folder(path);
  if (!folder.valid()) return fail_errno(path);
  if (!is_marked_folder(folder.get(), id)) return fail(-ESTALE, path + " is not handoff's");
  const auto is_there = [&path](const std::string& file, const std::string& wanted) -> bool {
    const std::string copy = place_below(path + kRoot, file);
    const UniqueFd fd(::open(copy.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    return fd.valid() && digest(fd.get(), copy).value_or("") == wanted;
  };
  bool whole = release.in_bundle() || is_there(release.path, release.program_digest);
  for (const ReleaseFile& file : release.files) whole = whole && is_there(file.path, file.digest);
  if (!whole) return fail(-ESTALE, path + " is not any more what was kept");
  return path + kRoot;
}

std::vector<std::string> KeptReleases::copies_of(const Release& release) const {
  const std::string root = folder_ + "/" + id_of(release) + kRoot;
  std::vector<std::string> out;
  if (!release.in_bundle()) out.push_back(place_below(root, release.path));
  for (const ReleaseFile& file : release.files) out.push_back(place_below(root, file.path));
  return out;
}

void KeptReleases::prune(const std::set<std::string>& ids) const {
  if (const auto folder = open_releases(folder_)) prune_own_folders(folder_, kKeep, ids);
}

void KeptReleases::remove_all() const {
  std::error_code ignored;
  if (!fs::is_directory(folder_, ignored)) return;
  if (const auto folder = open_releases(folder_)) prune_own_folders(folder_, 0, {});
  fs::remove(folder_, ignored);  // unless it holds something that is not handoff's
}

}  // namespace handoff::supervisor
