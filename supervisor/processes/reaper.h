// Waits for every child that ends: those that were started here, and, for PID 1, the orphans that
// the kernel hands over.
#pragma once

#include <sys/types.h>

#include <functional>

#include "supervisor/core/exit.h"
#include "supervisor/loop/handles.h"

namespace handoff::supervisor {

class Reaper {
 public:
  Reaper(uv_loop_t* loop, std::function<void(pid_t, Exit)> ended);

  // Reaps what has ended before this was made: children of the supervisor before, in its process.
  void sweep() { reap(); }

 private:
  void reap();
  std::function<void(pid_t, Exit)> ended_;
  SignalWatch watch_;
};

}  // namespace handoff::supervisor
