// Where services come back to after the supervisor was replaced: a SEQPACKET socket. Who comes is
// told by the kernel (SO_PEERCRED), and only a process that is expected gets in.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>

#include "libhandoff/base/unique_fd.h"
#include "supervisor/loop/handles.h"

namespace handoff::supervisor {

class ServiceDoor {
 public:
  // came: takes the connection of that process if it is expected, else leaves it, and it is closed.
  ServiceDoor(uv_loop_t* loop, UniqueFd listener, std::function<void(pid_t, UniqueFd&)> came);
  int fd() const { return listener_.get(); }

 private:
  void accept();

  UniqueFd listener_;
  std::function<void(pid_t, UniqueFd&)> came_;
  Poll poll_;
  Timer again_;  // after an accept(2) that failed: no fds left, say
};

}  // namespace handoff::supervisor
