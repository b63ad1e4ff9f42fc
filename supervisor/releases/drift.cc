#include "supervisor/releases/drift.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <utility>
#include <vector>

#include "supervisor/loop/thread_work.h"
#include "supervisor/releases/digest.h"

namespace handoff::supervisor {

// What was found out last.
struct Drift::State {
  std::string path;
  std::vector<FileMark> marks;
  std::optional<std::string> digest;  // none yet: it is being found out
  struct Waiting {
    std::string digest;  // of what runs
    std::function<void(bool)> known;
  };
  std::vector<Waiting> waiting;
};

Drift::Drift(uv_loop_t* loop) : loop_(loop) {}
Drift::~Drift() = default;

std::optional<bool> Drift::look(const Release& release, const FileRules& rules,
                                std::function<void(bool)> known) {
  struct stat info {};
  if (::stat(release.source.c_str(), &info) < 0) return release.folder == nullptr;
  std::vector<FileMark> marks{FileMark::of(info)};
  bool same = marks.front() == release.source_mark;
  if (!S_ISREG(info.st_mode)) return true;
  for (const ReleaseFile& file : release.files) {
    if (::stat(file.path.c_str(), &info) < 0) return true;
    marks.push_back(FileMark::of(info));
    same = same && marks.back() == file.mark;
  }
  // Patterns are looked for again once something that is known has changed, not each time.
  if (same) return false;
  if (state_ && state_->path == release.source && state_->marks == marks) {
    if (const auto& digest = state_->digest) return *digest != release.digest;
    state_->waiting.push_back({release.digest, std::move(known)});
    return std::nullopt;
  }
  state_ = std::make_shared<State>();
  state_->path = release.source;
  state_->marks = std::move(marks);
  state_->waiting.push_back({release.digest, std::move(known)});
  const auto found = std::make_shared<std::string>();
  const auto read = [path = release.source, args = release.args, rules, behind = behind_of(release),
                     alone = release.folder != nullptr, found] {
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.valid()) return;
    const auto now = release_of(std::move(file), path, args);
    if (now && (alone || add_files(**now, rules, {behind}))) *found = (*now)->digest;
  };
  const auto tell = [weak = std::weak_ptr<State>(state_), found] {
    const auto state = weak.lock();
    if (!state) return;
    state->digest = *found;
    for (const State::Waiting& one : std::exchange(state->waiting, {})) {
      one.known(one.digest != *found);
    }
  };
  if (!on_a_thread(loop_, read, tell)) state_.reset();
  return std::nullopt;
}

}  // namespace handoff::supervisor
