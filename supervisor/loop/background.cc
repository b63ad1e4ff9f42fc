#include "supervisor/loop/background.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "supervisor/loop/thread_work.h"

namespace handoff::supervisor {

struct Background::Work {
  std::function<void()> run;
  std::function<void()> ended;
  std::mutex lock;
  std::condition_variable changed;
  bool over = false;

  void wait() {
    std::unique_lock held(lock);
    changed.wait(held, [this] { return over; });
  }
};

Background::~Background() {
  if (!work_) return;
  work_->wait();
  work_->ended = nullptr;
}

void Background::run(std::function<void()> work, std::function<void()> ended) {
  work_ = std::make_shared<Work>();
  work_->run = std::move(work);
  work_->ended = std::move(ended);
  const auto on_thread = [work = work_] {
    work->run();
    const std::lock_guard held(work->lock);
    work->over = true;
    work->changed.notify_all();
  };
  // finish() may have been here first, and this object may be gone.
  const auto on_loop = [this, weak = std::weak_ptr<Work>(work_)] {
    const auto same = weak.lock();
    if (same && same->ended) finish();
  };
  if (on_a_thread(loop_, on_thread, on_loop)) return;
  on_thread();
  finish();
}

void Background::finish() {
  if (!work_) return;
  work_->wait();
  const auto work = std::exchange(work_, nullptr);
  const auto ended = std::exchange(work->ended, nullptr);
  ended();
}

}  // namespace handoff::supervisor
