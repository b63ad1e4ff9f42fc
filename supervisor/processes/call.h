// Calls one process back: puts a control socket into its mailbox, and waits for the process to say
// its first word there. A process that hangs answers when it wakes, however long that takes. A call
// that comes to nothing is made again.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "libhandoff/base/unique_fd.h"
#include "supervisor/loop/handles.h"

namespace handoff::supervisor {

class Call {
 public:
  // Where the mailbox is full, or the process has closed what it found there.
  static constexpr Duration kAgain = std::chrono::seconds(1);

  // in: so long from now. answered takes the control socket, on which nothing was read yet, and may
  // destroy this object. The kernel has told that it was pid that answered.
  Call(uv_loop_t* loop, std::string address, pid_t pid, Duration in,
       std::function<void(UniqueFd)> answered);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  void post();
  void hear();
  void again();

  uv_loop_t* loop_;
  std::string address_;
  pid_t pid_;
  std::function<void(UniqueFd)> answered_;
  UniqueFd ours_;
  std::unique_ptr<Poll> poll_;  // goes before ours_ does
  Timer next_;
};

}  // namespace handoff::supervisor
