#include "supervisor/run/runtime_watch.h"

#include <utility>

namespace handoff::supervisor {

RuntimeWatch::RuntimeWatch(uv_loop_t* loop, std::string folder, std::function<State()> mend)
    : loop_(loop),
      folder_(std::move(folder)),
      mend_(std::move(mend)),
      timer_(loop, [this] { look(); }) {}

void RuntimeWatch::start() { timer_.at(now()); }

// Watched before it is looked at: nothing happens unseen. What was mended is perhaps another
// folder, so it is watched and looked at again.
void RuntimeWatch::look() {
  due_ = false;
  watch_ = std::make_unique<FolderWatch>(loop_, [this](const std::string& name) {
    // Replaced all the time, by this supervisor.
    if (name.starts_with("state.json")) return;
    // What goes on in the folder does not put it off.
    if (!std::exchange(due_, true)) timer_.at(now() + kSettle);
  });
  const bool watched = watch_->start(folder_);
  const State state = mend_();
  if (state == State::kMended) {
    timer_.at(now() + kSettle);
  } else if (state == State::kWhole && watched) {
    backoff_.reset();
  } else {
    timer_.at(now() + backoff_.after({}));
  }
}

}  // namespace handoff::supervisor
