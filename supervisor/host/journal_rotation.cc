// Only files of this user's are renamed or replaced. Anything else at such a name (a link, a
// folder, another user's file) stops the rotation, and the history grows on.
#include "supervisor/host/journal_rotation.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {
namespace {

constexpr int kLast = JournalLimits::kMostKept + 1;  // until it is removed

std::string rotated(const std::string& state, int number) {
  return state + "/history." + std::to_string(number) + ".jsonl";
}

// Nothing is there, or a file of this user's.
Result<bool> is_there(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) < 0) {
    if (errno == ENOENT) return false;
    return fail_errno(path);
  }
  if (S_ISREG(info.st_mode) && info.st_uid == ::geteuid()) return true;
  return fail(-EEXIST, path + " is no file of this user's: move it away");
}

}  // namespace

std::string journal_path(const std::string& state) { return state + "/history.jsonl"; }

std::vector<std::string> journal_files(const std::string& state) {
  std::vector<std::string> out{journal_path(state)};
  for (int i = 1; i <= kLast; ++i) {
    struct stat info {};
    // The next ones may have been kept when more of them were.
    if (::lstat(rotated(state, i).c_str(), &info) == 0) out.push_back(rotated(state, i));
  }
  return out;
}

Result<void> rotate_journal(const std::string& state, int keep,
                            const std::function<void()>& before_each) {
  const std::string what = "rotating the history " + journal_path(state);
  int free = 1;  // the first name that is
  for (; free < kLast; ++free) {
    const auto there = is_there(rotated(state, free));
    if (!there) return fail(there.error().code, what + ": " + there.error().message);
    if (!*there) break;
  }
  for (int to = free; to > 0; --to) {
    const std::string from = to == 1 ? journal_path(state) : rotated(state, to - 1);
    if (before_each) before_each();
    if (::rename(from.c_str(), rotated(state, to).c_str()) < 0) return fail_errno(what);
  }
  for (int old = keep + 1; old <= kLast; ++old) {
    if (!is_there(rotated(state, old)).value_or(false)) continue;
    if (before_each) before_each();
    if (::unlink(rotated(state, old).c_str()) < 0) return fail_errno(what);
  }
  // The names are on the disk before what is written next.
  const UniqueFd folder(::open(state.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid() || (::fsync(folder.get()) < 0 && errno != EINVAL && errno != EROFS)) {
    return fail_errno(what);
  }
  return {};
}

}  // namespace handoff::supervisor
