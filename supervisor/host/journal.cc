// The happy path: O_APPEND, one write(2) a record, fdatasync(2). The failures: a full disk, which
// may take half of a line; that half is cut off again, so that the next record begins on a line of
// its own. After a crash the file may end in half a line, which is closed with a newline. A file
// that was moved away (logrotate) or removed: each batch compares the inode at the path with the
// open one, and begins a new file. A file that can't be rotated grows on.
#include "supervisor/host/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "libhandoff/sys/failpoint.h"
#include "supervisor/base/json_line.h"
#include "supervisor/host/runtime_dir.h"
#include "supervisor/host/wall_clock.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);  // before any thread
  return value != nullptr ? value : "";
}

constexpr std::size_t kOneRecord = 4096;  // a block: more than most records take

// Why it is no history of this user's; "" if it is one.
std::string what_is_wrong(const struct stat& info) {
  if (S_ISLNK(info.st_mode)) return "is a symbolic link";
  if (!S_ISREG(info.st_mode)) return "is no file";
  if (info.st_uid == ::geteuid()) return "";
  return "belongs to uid " + std::to_string(info.st_uid) + ", not to uid " +
         std::to_string(::geteuid()) + " that runs this";
}

// The file's last byte; '\n' for an empty one.
char last_byte(int fd, off_t size) {
  char last = '\n';
  if (size > 0 && ::pread(fd, &last, 1, size - 1) != 1) last = '\n';
  return last;
}

}  // namespace

Result<std::string> state_path() {
  if (std::string own = variable("HANDOFF_STATE_DIR"); !own.empty()) return own;
  if (!variable("HANDOFF_RUNTIME_DIR").empty()) return runtime_path();
  if (const std::string systemd = variable("STATE_DIRECTORY"); !systemd.empty()) {
    return systemd.substr(0, systemd.find(':'));
  }
  if (::geteuid() == 0) return "/var/lib/handoff";
  if (const std::string xdg = variable("XDG_STATE_HOME"); !xdg.empty()) return xdg + "/handoff";
  if (const std::string home = variable("HOME"); !home.empty()) {
    return home + "/.local/state/handoff";
  }
  return runtime_path();
}

Result<void> Journal::open() {
  if (fd_.valid()) return {};
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(state_).parent_path(), error);
  // Releases run from below it, also of services that have changed their user. What is for the
  // supervisor alone has its own mode. One that is the runtime folder, too, is private.
  if (::mkdir(state_.c_str(), folder_mode_) < 0 && errno != EEXIST) {
    return fail_errno("creating the state folder " + state_);
  }
  struct stat folder {};
  if (::stat(state_.c_str(), &folder) == 0) folder_mode_ = folder.st_mode & 0777;
  UniqueFd fd(::open(path_.c_str(),
                     O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  const int refused = fd.valid() ? 0 : errno;
  struct stat info {};
  const bool seen = fd.valid() ? ::fstat(fd.get(), &info) == 0 : ::lstat(path_.c_str(), &info) == 0;
  if (const std::string wrong = seen ? what_is_wrong(info) : ""; !wrong.empty()) {
    return fail(-EPERM,
                "the history " + path_ + " " + wrong +
                    ", so nothing is written there: move it away, or set HANDOFF_STATE_DIR");
  }
  if (refused != 0) return Failure(Error::from_errno(refused, "the history " + path_));
  if (!seen) return fail_errno("the history " + path_);
  fd_ = std::move(fd);
  if (std::exchange(lost_, false)) {
    note_ = "the history " + path_ +
            " was moved away or removed: a new one is begun, and what it said is not in it";
  }
  return {};
}

void Journal::look() {
  if (!fd_.valid()) return;
  struct stat open {};
  struct stat there {};
  if (::fstat(fd_.get(), &open) == 0 && ::lstat(path_.c_str(), &there) == 0 &&
      open.st_dev == there.st_dev && open.st_ino == there.st_ino) {
    return;
  }
  lost_ = true;
  fd_.reset();
}

void Journal::rotate() {
  struct stat info {};
  if (::fstat(fd_.get(), &info) < 0 || static_cast<std::uint64_t>(info.st_size) < limits_.size) {
    return;
  }
  const auto rotated = rotate_journal(state_, limits_.keep);
  const std::string problem = rotated ? "" : rotated.error().message;
  if (std::exchange(rotation_problem_, problem) != problem && !problem.empty()) {
    note_ = problem + "; it grows on";
  }
  if (rotated) fd_.reset();
}

Result<void> Journal::append(json record) {
  std::vector<json> one;
  one.push_back(std::move(record));
  return append_all(std::move(one)).front();
}

std::vector<Result<void>> Journal::append_all(std::vector<json> records) {
  std::vector<Result<void>> out;
  out.reserve(records.size());
  struct stat before {};
  look();
  auto opened = open();
  if (opened) {
    rotate();
    opened = open();
  }
  if (opened && ::fstat(fd_.get(), &before) < 0) opened = fail_errno("the history " + path_);
  for (json& record : records) out.push_back(opened ? write(std::move(record)) : opened);
  const auto is_there = [](const Result<void>& one) { return one.has_value(); };
  if (std::none_of(out.begin(), out.end(), is_there)) return out;
  if (const auto flushed = flush(before.st_size); !flushed) {
    std::replace_if(out.begin(), out.end(), is_there, flushed);
  }
  failpoint::hit("supervisor.record.after");
  return out;
}

// A file system that can't flush (EINVAL) has kept the promise as far as it can.
Result<void> Journal::flush(off_t size_before) {
  const std::string what = "writing the history " + path_;
  if (::fdatasync(fd_.get()) == 0 || errno == EINVAL || errno == EROFS) return {};
  const int error = errno;
  if (::ftruncate(fd_.get(), size_before) < 0) return fail_errno(what);  // it is not to be there
  return Failure(Error::from_errno(error, what));
}

Result<void> Journal::write(json record) {
  const std::string what = "writing the history " + path_;
  if (const int error = failpoint::hit("supervisor.record.before"); error != 0) {
    return Failure(Error::from_errno(error, what));
  }
  json stamped{{"at", utc(std::chrono::system_clock::now())}};
  stamped.update(record);
  struct stat info {};
  if (::fstat(fd_.get(), &info) < 0) return fail_errno(what);
  std::string line = last_byte(fd_.get(), info.st_size) == '\n' ? "" : "\n";
  line += json_line(stamped) + "\n";
  ssize_t n = 0;
  do {
    n = ::write(fd_.get(), line.data(), line.size());
  } while (n < 0 && errno == EINTR);
  const int error = n < 0 ? errno : ENOSPC;
  if (n != static_cast<ssize_t>(line.size())) {
    if (n > 0 && ::ftruncate(fd_.get(), info.st_size) < 0) return fail_errno(what);
    return Failure(Error::from_errno(error, what));
  }
  return {};
}

std::string journal_problem(const std::string& state) {
  const std::string path = journal_path(state);
  const auto failed = [&path](int error) {
    return "the history " + path + " can't be written: " + std::strerror(error);
  };
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) {
    if (const std::string wrong = what_is_wrong(info); !wrong.empty()) {
      return "the history " + path + " " + wrong + ": move it away, or set HANDOFF_STATE_DIR";
    }
    const UniqueFd file(
        ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file.valid()) return failed(errno);
  }
  std::filesystem::path folder = state;
  while (::stat(folder.c_str(), &info) < 0) {  // the next one above is where it would be created
    if (errno != ENOENT || !folder.has_relative_path()) return failed(errno);
    folder = folder.parent_path();
  }
  if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) < 0) return failed(errno);
  // Only writing shows whether there is room: a quota, say, may be less than the disk. The file has
  // no name, and goes with its fd.
  const UniqueFd probe(::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (!probe.valid()) return errno == EOPNOTSUPP || errno == EISDIR ? "" : failed(errno);
  const std::string record(kOneRecord, ' ');
  const ssize_t n = ::write(probe.get(), record.data(), record.size());
  if (n < 0) return failed(errno);
  if (n != static_cast<ssize_t>(record.size())) return failed(ENOSPC);
  if (::fdatasync(probe.get()) < 0 && errno != EINVAL) return failed(errno);
  return "";
}

Result<void> Journal::read_recent(const EachRecord& each) const {
  // Nothing that somebody has put there is believed, or waited for.
  struct Part {
    std::string path;
    std::uint64_t bytes;
  };
  std::vector<Part> parts;  // the youngest first
  std::uint64_t left = kRecent;
  for (const std::string& path : journal_files(state_)) {
    struct stat info {};
    if (left == 0 || ::lstat(path.c_str(), &info) < 0 || !what_is_wrong(info).empty()) continue;
    const auto size = static_cast<std::uint64_t>(info.st_size);
    parts.push_back({path, left});
    left -= std::min(size, left);
  }
  Result<void> out;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const auto read = read_journal(part->path, each, part->bytes);
    if (!read) out = Failure(read.error());
  }
  return out;
}

}  // namespace handoff::supervisor
