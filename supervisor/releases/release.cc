#include "supervisor/releases/release.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "libhandoff/base/text.h"
#include "supervisor/base/utf8.h"
#include "supervisor/releases/digest.h"

namespace handoff::supervisor {

bool Release::untouched() const {
  struct stat now_ {};
  if (::fstat(file.get(), &now_) < 0 || FileMark::of(now_) != file_mark) return false;
  // A script is executed by its path. (One that was verified has none.)
  if (script && verified.empty() && !lies_at(file_path)) return false;
  return std::all_of(files.begin(), files.end(), [this](const ReleaseFile& one) {
    struct stat info {};
    return ::stat(place_of(one).c_str(), &info) == 0 && FileMark::of(info) == one.mark;
  });
}

bool Release::has_behind() const {
  return std::any_of(files.begin(), files.end(), [](const ReleaseFile& one) { return one.behind; });
}

bool Release::lies_at(const std::string& where) const {
  struct stat open {};
  struct stat there {};
  return ::fstat(file.get(), &open) == 0 && ::stat(where.c_str(), &there) == 0 &&
         open.st_ino == there.st_ino && open.st_dev == there.st_dev;
}

// ".." would lead out of it.
std::string place_below(const std::string& root, const std::string& path) {
  if (root.empty()) return path;
  std::string out = root;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string part = path.substr(at, end - at);
    out += part == "/.." ? "/up" : part;
    at = end;
  }
  return out;
}

ReleasePtr copy_of(const Release& release) {
  auto out = std::make_shared<Release>();
  out->path = release.path;
  out->args = release.args;
  if (release.file.valid()) out->file.reset(::fcntl(release.file.get(), F_DUPFD_CLOEXEC, 0));
  out->file_mark = release.file_mark;
  out->script = release.script;
  out->digest = release.digest;
  out->program_digest = release.program_digest;
  out->files = release.files;
  out->file_path = release.file_path;
  out->kept_root = release.kept_root;
  out->real = release.real;
  out->moved = release.moved;
  out->name = release.name;
  out->claims = release.claims;
  out->manifest = release.manifest;
  out->source = release.source;
  out->source_mark = release.source_mark;
  out->verified = release.verified;
  out->signed_version = release.signed_version;
  out->folder = release.folder;
  out->unpacked = release.unpacked;
  out->tree = release.tree;
  return out;
}

void take_open(Release& known, Release opened) {
  // Another file may have been found to be part of it meanwhile; untouched() looks at them all.
  if (known.digest == opened.digest) known.files = std::move(opened.files);
  known.file = std::move(opened.file);
  known.file_mark = opened.file_mark;
  known.script = opened.script;
  known.file_path = std::move(opened.file_path);
  known.kept_root = std::move(opened.kept_root);
  known.moved = opened.moved;
  known.source_mark = opened.source_mark;
  known.verified = std::move(opened.verified);
  known.folder = std::move(opened.folder);
}

std::string real_path_of(int file, const std::string& path) {
  std::error_code error;
  const auto real =
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file), error).native();
  struct stat open {};
  struct stat there {};
  // The kernel adds a word to the path of a file that was removed.
  const bool is_there = !error && real.starts_with('/') && ::fstat(file, &open) == 0 &&
                        ::stat(real.c_str(), &there) == 0 && open.st_ino == there.st_ino &&
                        open.st_dev == there.st_dev;
  return is_there && real != path && is_utf8(real) ? real : "";
}

std::string Release::own_place_of(const ReleaseFile& one) const {
  return moved && !one.real.empty() ? one.real : one.path;
}

std::string Release::place_of(const ReleaseFile& one) const {
  return kept_root.empty() ? own_place_of(one) : place_below(kept_root, one.path);
}

std::string Release::kept_from() const {
  if (moved) return "";
  return file_path != path ? file_path : kept_root;
}

Result<UniqueFd> open_executable(const std::string& path) {
  // O_NONBLOCK: a FIFO at that path must not hold anybody up.
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return fail_errno("can't open " + path);
  struct stat found {};
  if (::fstat(file.get(), &found) < 0) return fail_errno(path);
  if (!S_ISREG(found.st_mode)) return fail(-EACCES, path + " is no executable: it is not a file");
  if (::faccessat(file.get(), "", X_OK, AT_EMPTY_PATH | AT_EACCESS) < 0 && errno == EACCES) {
    return fail(-EACCES, path + " is no executable: it has no permission to execute (chmod +x)");
  }
  return file;
}

bool is_script(int file) {
  std::array<char, 2> start{};
  return ::pread(file, start.data(), start.size(), 0) == 2 && start[0] == '#' && start[1] == '!';
}

Result<std::string> digest_unless_known(int file, const FileMark& mark, const std::string& path,
                                        const KnownFile& known) {
  if (known.mark.known() && known.mark == mark) return known.digest;
  return digest(file, path);
}

Result<ReleasePtr> release_of(UniqueFd file, const std::string& path, std::vector<std::string> args,
                              const KnownFile& known) {
  auto release = std::make_shared<Release>();
  release->path = path;
  release->source = path;
  release->file_path = path;
  release->args = std::move(args);
  release->file = std::move(file);
  release->real = real_path_of(release->file.get(), path);
  struct stat found {};
  if (::fstat(release->file.get(), &found) < 0) return fail_errno(path);
  release->file_mark = release->source_mark = FileMark::of(found);
  release->script = is_script(release->file.get());
  auto hash = digest_unless_known(release->file.get(), release->file_mark, path, known);
  if (!hash) return Failure(hash.error());
  release->digest = release->program_digest = std::move(*hash);
  return release;
}

Result<ReleasePtr> open_release(const std::string& path, std::vector<std::string> args,
                                const KnownFile& known) {
  auto file = open_executable(path);
  if (!file) return Failure(file.error());
  return release_of(std::move(*file), path, std::move(args), known);
}

namespace {

// As the kernel would find it: /a/link/../b need not be /a/b.
std::string without_dots(const std::string& path) {
  std::string out;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string part = path.substr(at, end - at);
    if (part != "/" && part != "/.") out += part;
    at = end;
  }
  return out.empty() ? "/" : out;
}

}  // namespace

Result<std::string> find_program(const std::string& program) {
  namespace fs = std::filesystem;
  std::error_code error;
  const auto absolute = [&error](const std::string& found) -> Result<std::string> {
    const fs::path whole = fs::absolute(found, error);
    if (error) return fail(-error.value(), found + ": " + error.message());
    std::string out = without_dots(whole.native());
    if (auto text = expect_utf8("the path", out); !text) return Failure(text.error());
    return out;
  };
  if (program.find('/') != std::string::npos) return absolute(program);
  const char* path = std::getenv("PATH");
  std::string rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string folder = rest.substr(0, colon);
    rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
    if (folder.empty()) continue;
    const std::string candidate = folder + "/" + program;
    if (fs::is_regular_file(candidate, error) && ::access(candidate.c_str(), X_OK) == 0) {
      return absolute(candidate);
    }
  }
  std::string text = "no program \"" + program + "\" in $PATH";
  if (fs::exists(program, error)) text += "; did you mean ./" + program + "?";
  return fail(-ENOENT, text);
}

}  // namespace handoff::supervisor
