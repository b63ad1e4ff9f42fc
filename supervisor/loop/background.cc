#include "supervisor/loop/background.h"

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace handoff::supervisor {

struct Background::Work {
  std::function<void()> run;
  std::function<void()> ended;
  std::mutex lock;
  std::condition_variable changed;
  bool over = false;

  // Whoever waits has the lock again only after `wakes` was used, and may destroy it then.
  void work(Wakeup& wakes) {
    run();
    const std::lock_guard held(lock);
    over = true;
    changed.notify_all();
    wakes.wake();
  }
  void wait() {
    std::unique_lock held(lock);
    changed.wait(held, [this] { return over; });
  }
  bool is_over() {
    const std::lock_guard held(lock);
    return over;
  }
};

// finish() may have been here first, and the next work may be under way.
Background::Background(uv_loop_t* loop)
    : over_(loop, [this] {
        if (work_ && work_->is_over()) finish();
      }) {}

Background::~Background() {
  if (work_) work_->wait();
}

void Background::run(std::function<void()> work, std::function<void()> ended) {
  work_ = std::make_shared<Work>();
  work_->run = std::move(work);
  work_->ended = std::move(ended);
  try {
    std::thread([work = work_, this] { work->work(over_); }).detach();
  } catch (const std::system_error&) {  // no thread is to be had
    work_->work(over_);
  }
}

void Background::finish() {
  if (!work_) return;
  work_->wait();
  const auto work = std::exchange(work_, nullptr);
  work->ended();
}

}  // namespace handoff::supervisor
