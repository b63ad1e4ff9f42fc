#include "supervisor/releases/drift.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
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

namespace {

// What was digested of a bundle's release.
struct Bundle {
  std::string path;
  std::string digest;
  std::vector<ReleaseFile> files;
};

std::optional<Bundle> bundle_of(const Release& release) {
  if (!release.in_bundle()) return std::nullopt;
  return Bundle{release.source, release.digest, release.files};
}

// file: the bundle's, if it is still there. "" if anything can't be read any more.
std::string digest_now(const Bundle& bundle, int file) {
  std::set<std::string> paths;
  for (const ReleaseFile& one : bundle.files) paths.insert(one.path);
  const auto files = read_files(paths);
  if (!files) return "";
  if (file >= 0) {
    const auto first = digest(file, bundle.path);
    return first ? digest_of_all(*first, *files) : "";
  }
  const auto same = [](const ReleaseFile& a, const ReleaseFile& b) { return a.digest == b.digest; };
  return std::ranges::equal(bundle.files, *files, same) ? bundle.digest : "";
}

}  // namespace

std::vector<std::string> altered_files(const Release& release) {
  std::vector<std::string> out;
  const auto look = [&out](const std::string& path, const FileMark& mark, bool may_be_gone) {
    struct stat info {};
    const bool is_there = ::stat(path.c_str(), &info) == 0;
    if (is_there ? FileMark::of(info) != mark : !may_be_gone) out.push_back(path);
  };
  look(release.source, release.source_mark, release.in_bundle());
  for (const ReleaseFile& file : release.files) look(file.path, file.mark, false);
  return out;
}

Drift::Drift(uv_loop_t* loop) : loop_(loop) {}
Drift::~Drift() = default;

std::optional<bool> Drift::look(const Release& release, const FileRules& rules,
                                std::function<void(bool)> known) {
  struct stat info {};
  const bool is_there = ::stat(release.source.c_str(), &info) == 0;
  if (is_there ? !S_ISREG(info.st_mode) : !release.in_bundle()) return true;
  std::vector<FileMark> marks{is_there ? FileMark::of(info) : FileMark{}};
  bool same = !is_there || marks.front() == release.source_mark;
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
  const auto read = [path = release.source, args = release.args, rules, bundle = bundle_of(release),
                     behind = behind_of(release), found] {
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (bundle) {
      *found = digest_now(*bundle, file.get());
    } else if (file.valid()) {
      const auto now = release_of(std::move(file), path, args);
      if (now && add_files(**now, rules, {behind})) *found = (*now)->digest;
    }
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
