// Where services come back to after the supervisor was replaced: a SEQPACKET socket. Who comes is
// told by the kernel (SO_PEERCRED). A process that is expected gets in at once. Another one may be
// of a supervisor whose state file is lost: it is heard first.
#pragma once

#include <sys/types.h>

#include <functional>
#include <list>
#include <memory>

#include "libhandoff/base/unique_fd.h"
#include "supervisor/loop/handles.h"
#include "supervisor/processes/service_messages.h"

namespace handoff::supervisor {

class ServiceDoor {
 public:
  // So many may wait without being expected, for so long.
  static constexpr std::size_t kMaxStrangers = 64;
  static constexpr Duration kPatience = std::chrono::seconds(5);

  // Both take the connection of a process that gets in, or leave it, and it is closed.
  struct Callbacks {
    std::function<void(pid_t, UniqueFd&)> came;
    std::function<void(pid_t, const Introduction&, UniqueFd&)> introduced;
    std::function<void(pid_t)> knocked;  // went again without a word
  };
  // listener: not valid if there is none yet.
  ServiceDoor(uv_loop_t* loop, UniqueFd listener, Callbacks callbacks);
  // In place of the one before.
  void listen(UniqueFd listener);
  int fd() const { return listener_.get(); }
  // Hears another connection of that process as it hears strangers.
  void hear(pid_t pid, UniqueFd fd) { wait_for(pid, std::move(fd)); }

 private:
  struct Stranger {
    UniqueFd fd;
    pid_t pid = -1;
    std::unique_ptr<Poll> poll;
    std::unique_ptr<Timer> patience;
  };
  using Strangers = std::list<Stranger>;

  void accept();
  void wait_for(pid_t pid, UniqueFd fd);
  void hear(Strangers::iterator stranger);

  uv_loop_t* loop_;
  UniqueFd listener_;
  Callbacks callbacks_;
  std::unique_ptr<Poll> poll_;
  Timer again_;  // after an accept(2) that failed: no fds left, say
  Strangers strangers_;
};

}  // namespace handoff::supervisor
