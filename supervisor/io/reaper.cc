#include "io/reaper.h"

#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <utility>
#include <vector>

namespace handoff::supervisor {

Reaper::Reaper(uv_loop_t* loop, std::function<void(pid_t, Exit)> ended)
    : ended_(std::move(ended)), watch_(loop, SIGCHLD, [this] { reap(); }) {}

// All that have ended, the youngest first: the death of an heir that has taken over must be known
// before its donor's exit, which is the end of the handoff and of what its report can say.
void Reaper::reap() {
  std::vector<std::pair<pid_t, Exit>> ended;
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) break;
    Exit exit;
    exit.signalled = WIFSIGNALED(status);
    exit.number = exit.signalled ? WTERMSIG(status) : WEXITSTATUS(status);
    exit.core_dumped = exit.signalled && WCOREDUMP(status);
    ended.emplace_back(pid, exit);
  }
  for (auto one = ended.rbegin(); one != ended.rend(); ++one) ended_(one->first, one->second);
}

}  // namespace handoff::supervisor
