// One piece of work at a time on a thread of its own, for what may take as long as a disk likes.
// Its end is heard on the loop, or waited for. Programs are opened on the threads of libuv's pool
// (thread_work.h). A file server that is gone may hold all of those, and what works here goes on.
#pragma once

#include <uv.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "supervisor/loop/handles.h"

namespace handoff::supervisor {

class Background {
 public:
  explicit Background(uv_loop_t* loop);
  ~Background();  // waits for the work; its end is not heard any more
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  bool busy() const { return work_ != nullptr; }
  // Not while it is busy. work on a thread, then ended on the loop.
  void run(std::function<void()> work, std::function<void()> ended);
  // Waits for the work, and calls ended; does nothing if there is none.
  void finish();

 private:
  enum class State { kIdle, kWork, kOver, kEnds };
  void serve();
  void pass_to(State state);
  bool is(State state);
  void wait_for(State state);

  Wakeup over_;
  std::function<void()> work_;  // the thread's while there is kWork
  std::function<void()> ended_;
  std::mutex lock_;
  std::condition_variable changed_;
  State state_ = State::kIdle;
  std::thread thread_;  // from the first work on
};

}  // namespace handoff::supervisor
