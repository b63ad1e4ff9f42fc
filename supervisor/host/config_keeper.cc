// The happy path: keep() writes the file and notes which one it is; look() finds it as it was left.
// The failures: the file is gone, with or without the state folder, or is another; the folder can't
// be made, or its disk is full. What could not be kept is tried again at each look, and told once.
#include "supervisor/host/config_keeper.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "supervisor/host/kept_config.h"

namespace handoff::supervisor {
namespace {

constexpr mode_t kFolderMode = 0711;  // as the history makes it

FileMark mark_of(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? FileMark::of(info) : FileMark{};
}

mode_t mode_of(const std::string& folder) {
  struct stat info {};
  return ::stat(folder.c_str(), &info) == 0 ? info.st_mode & 0777 : kFolderMode;
}

}  // namespace

ConfigKeeper::ConfigKeeper(uv_loop_t* loop, std::string state) : thread_(loop) {
  now_.folder_mode = mode_of(state);
  now_.state = std::move(state);
}

void ConfigKeeper::Kept::write() {
  if (::mkdir(state.c_str(), folder_mode) < 0 && errno != EEXIST) {
    result = fail_errno("creating the state folder " + state);
    return;
  }
  result = keep_config(state, file, text);
  mark = mark_of(kept_config_path(state));
}

void ConfigKeeper::keep(std::string file, std::string text) {
  thread_.finish();
  now_.file = std::move(file);
  now_.text = std::move(text);
  now_.write();
  told(now_);
}

void ConfigKeeper::look() {
  if (now_.text.empty() || thread_.busy()) return;
  const std::string path = kept_config_path(now_.state);
  const FileMark there = mark_of(path);
  // Nothing may be there, since it was removed right after it was written.
  if (now_.result && there == now_.mark && there != FileMark{}) return;
  if (now_.result) {
    spdlog::warn("{} is not there any more as it was kept: it is kept again", path);
  }
  const auto again = std::make_shared<Kept>(now_);
  thread_.run([again] { again->write(); },
              [this, again] {
                now_ = *again;
                told(now_);
              });
}

void ConfigKeeper::told(const Kept& kept) {
  const std::string problem = kept.result ? "" : kept.result.error().message;
  if (std::exchange(complaint_, problem) == problem || problem.empty()) return;
  spdlog::warn("{}; should the file be broken one day, nothing stands in for it", problem);
}

}  // namespace handoff::supervisor
