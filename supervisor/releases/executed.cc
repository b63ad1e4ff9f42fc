// The happy path: open(2) of /proc/PID/exe, whatever has become of its path; its digest; then the
// path at which the next run will find it. The failures: whatever can't be read tells nothing.
#include "supervisor/releases/executed.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "libhandoff/base/text.h"
#include "supervisor/releases/digest.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

std::string exe_of(pid_t pid) { return "/proc/" + std::to_string(pid) + "/exe"; }

bool is_file(const FileMark& mark, const struct stat& info) {
  return mark.inode == info.st_ino && mark.device == info.st_dev && mark.inode != 0;
}

bool is_at(const std::string& path, const struct stat& info) {
  struct stat there {};
  return ::stat(path.c_str(), &there) == 0 && there.st_ino == info.st_ino &&
         there.st_dev == info.st_dev;
}

// By the folders of the program's own path. /opt/current/bin/run executes /opt/5/lib/app, which is
// /opt/current/lib/app for it: so its copy is found beside the copy of the program, and a link that
// leads elsewhere is another file.
std::string as_seen_from(const std::string& program, const std::string& path) {
  std::error_code error;
  for (fs::path folder = fs::path(program).parent_path(); folder.has_relative_path();
       folder = folder.parent_path()) {
    const std::string real = fs::canonical(folder, error).native() + "/";
    if (!error && path.starts_with(real)) return folder.native() + path.substr(real.size() - 1);
  }
  return path;
}

}  // namespace

bool executes_its_own(pid_t pid, const Release& release) {
  struct stat info {};
  if (::stat(exe_of(pid).c_str(), &info) < 0) return true;
  return is_file(release.file_mark, info) ||
         std::any_of(release.files.begin(), release.files.end(),
                     [&info](const ReleaseFile& file) { return is_file(file.mark, info); });
}

Executed executed_by(pid_t pid, const Release& release, const FileRules& rules) {
  const std::string exe = exe_of(pid);
  const UniqueFd file(::open(exe.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  std::error_code error;
  std::string path = fs::read_symlink(exe, error).native();
  if (!file.valid() || ::fstat(file.get(), &info) < 0 || error) return {};
  const auto hash = digest(file.get(), exe);
  if (!hash || !path.starts_with('/') || !is_utf8(path)) return {};
  const bool known = *hash == release.program_digest ||
                     std::any_of(release.files.begin(), release.files.end(),
                                 [&](const ReleaseFile& one) { return one.digest == *hash; });
  if (known) return {};
  if (const auto left_out = files_left_out(rules)) {
    for (const std::string& one : *left_out) {
      if (is_at(one, info)) return {};
    }
  }
  Executed out{.path = path, .file = std::nullopt};
  if (std::string seen = as_seen_from(release.path, path); is_at(seen, info)) {
    path = std::move(seen);
  }
  // One that was removed since, or lies in another mount namespace, has no path here.
  if (is_at(path, info)) out.file = ReleaseFile{path, *hash, FileMark::of(info), true};
  return out;
}

ReleasePtr release_behind(const Release& release, const std::string& name,
                          const std::optional<ReleaseFile>& file) {
  ReleasePtr out = copy_of(release);
  out->name = name;
  if (!file) return out;
  std::erase_if(out->files, [](const ReleaseFile& one) { return one.behind; });
  add_behind(*out, *file);
  return out;
}

}  // namespace handoff::supervisor
