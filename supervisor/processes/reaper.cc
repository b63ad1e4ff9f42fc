#include "supervisor/processes/reaper.h"

#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace handoff::supervisor {

Reaper::Reaper(uv_loop_t* loop, std::function<void(pid_t, Exit)> ended)
    : ended_(std::move(ended)), watch_(loop, SIGCHLD, [this] { reap(); }) {}

void Reaper::reap() {
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return;
    Exit exit;
    exit.signalled = WIFSIGNALED(status);
    exit.number = exit.signalled ? WTERMSIG(status) : WEXITSTATUS(status);
    exit.core_dumped = exit.signalled && WCOREDUMP(status);
    ended_(pid, exit);
  }
}

}  // namespace handoff::supervisor
