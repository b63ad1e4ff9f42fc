#include "supervisor/host/priority.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {
namespace {

// The supervisor works in bursts of milliseconds, so nobody else feels this.
constexpr int kNice = -10;

}  // namespace

void raise_priority() {
  errno = 0;
  if (::getpriority(PRIO_PROCESS, 0) != 0 || errno != 0) return;
  sched_attr wanted{};
  wanted.size = sizeof wanted;
  wanted.sched_policy = SCHED_NORMAL;
  wanted.sched_flags = SCHED_FLAG_RESET_ON_FORK;  // sched(7)
  wanted.sched_nice = kNice;
  if (::syscall(SYS_sched_setattr, 0, &wanted, 0U) < 0) return;
  // Where sessions are weighed against each other (autogroups), that one's own priority counts for
  // nothing. The session of a shell is not ours to weigh; services have sessions of their own.
  if (::getsid(0) != ::getpid()) return;
  const UniqueFd group(::open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC));
  const std::string nice = std::to_string(kNice);
  if (group.valid()) (void)!::write(group.get(), nice.data(), nice.size());
}

}  // namespace handoff::supervisor
