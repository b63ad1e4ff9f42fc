// One piece of work at a time on a thread of libuv's pool, for what may take as long as a disk
// likes. Its end is heard on the loop, or waited for.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>

namespace handoff::supervisor {

class Background {
 public:
  explicit Background(uv_loop_t* loop) : loop_(loop) {}
  ~Background();  // waits for the work; its end is not heard any more
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  bool busy() const { return work_ != nullptr; }
  // Not while it is busy. work on a thread, then ended on the loop.
  void run(std::function<void()> work, std::function<void()> ended);
  // Waits for the work, and calls ended; does nothing if there is none.
  void finish();

 private:
  struct Work;

  uv_loop_t* loop_;
  std::shared_ptr<Work> work_;
};

}  // namespace handoff::supervisor
