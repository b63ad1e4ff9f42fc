#include "supervisor/loop/background.h"

#include <system_error>
#include <utility>

namespace handoff::supervisor {

// finish() may have been here first, and the next work may be under way.
Background::Background(uv_loop_t* loop)
    : over_(loop, [this] {
        if (busy() && is(State::kOver)) finish();
      }) {}

Background::~Background() {
  if (!thread_.joinable()) return;
  if (busy()) wait_for(State::kOver);
  pass_to(State::kEnds);
  thread_.join();
}

void Background::run(std::function<void()> work, std::function<void()> ended) {
  work_ = std::move(work);
  ended_ = std::move(ended);
  pass_to(State::kWork);
  if (thread_.joinable()) return;
  try {
    thread_ = std::thread([this] { serve(); });
  } catch (const std::system_error&) {  // no thread is to be had
    work_();
    pass_to(State::kOver);
    over_.wake();
  }
}

void Background::finish() {
  if (!busy()) return;
  wait_for(State::kOver);
  work_ = nullptr;
  const auto ended = std::exchange(ended_, nullptr);
  ended();
}

void Background::serve() {
  for (;;) {
    {
      std::unique_lock held(lock_);
      changed_.wait(held, [this] { return state_ == State::kWork || state_ == State::kEnds; });
      if (state_ == State::kEnds) return;
    }
    work_();
    pass_to(State::kOver);
    over_.wake();
  }
}

void Background::pass_to(State state) {
  const std::lock_guard held(lock_);
  state_ = state;
  changed_.notify_all();
}

bool Background::is(State state) {
  const std::lock_guard held(lock_);
  return state_ == state;
}

void Background::wait_for(State state) {
  std::unique_lock held(lock_);
  changed_.wait(held, [this, state] { return state_ == state; });
}

}  // namespace handoff::supervisor
