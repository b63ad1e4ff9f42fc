// The failures: the folder goes, as when a build begins anew. There is nothing to be told by then,
// so it is looked for twice a second.
#include "supervisor/releases/file_watch.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <utility>

namespace handoff::supervisor {
namespace {

constexpr Duration kLookForFolder = std::chrono::milliseconds(500);

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

FileMark mark_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? FileMark::of(info) : FileMark{};
}

// A lease for reading is given only where nobody has the file open for writing.
bool is_being_written(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return false;
  if (::fcntl(file.get(), F_SETLEASE, F_RDLCK) < 0) return errno == EAGAIN;
  (void)::fcntl(file.get(), F_SETLEASE, F_UNLCK);
  return false;
}

}  // namespace

FileWatch::FileWatch(uv_loop_t* loop, std::string path, Duration settle,
                     std::function<bool()> rebuilt)
    : loop_(loop),
      path_(std::move(path)),
      settle_(settle),
      rebuilt_(std::move(rebuilt)),
      last_(mark_of(path_)),
      timer_(loop, [this] { settled(); }) {
  watch_folder();
}

void FileWatch::watch_folder() {
  const std::string folder = folder_of(path_);
  folder_ = mark_of(folder);
  events_ =
      std::make_unique<FolderWatch>(loop_, [this](const std::string& name) { happened(name); });
  if (!events_->start(folder)) {
    events_.reset();
    timer_.at(now() + kLookForFolder);
  }
}

void FileWatch::happened(const std::string& name) {
  const FileMark folder = mark_of(folder_of(path_));
  const bool other_folder = folder.inode != folder_.inode || folder.device != folder_.device;
  if (!other_folder && !name.empty() && name != path_.substr(path_.rfind('/') + 1)) return;
  timer_.at(now() + settle_);
}

void FileWatch::settled() {
  const FileMark folder = mark_of(folder_of(path_));
  if (!events_ || folder.inode != folder_.inode || folder.device != folder_.device) {
    watch_folder();
    if (!events_) return;
  }
  const FileMark seen = mark_of(path_);
  if (seen == FileMark{} || seen == last_) return;
  if (is_being_written(path_) || !rebuilt_()) {
    timer_.at(now() + settle_);
    return;
  }
  last_ = seen;
}

}  // namespace handoff::supervisor
