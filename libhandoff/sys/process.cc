#include "libhandoff/sys/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

#include "libhandoff/base/unique_fd.h"

namespace handoff::io {

namespace {

std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

bool has_exited(int pidfd) {
  pollfd state{pidfd, POLLIN, 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & POLLIN) != 0;
}

Result<void> kill_process(int pidfd) {
  // glibc has the function from 2.36 on, older ones only the number of the system call.
  if (::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0) < 0 && errno != ESRCH) {
    return fail_errno("ending the peer process");
  }
  return {};
}

std::uint64_t started_at(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  // The name before the fields may contain anything, so they begin behind the last ')'.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  for (int i = 3; i < 22; ++i) fields >> field;  // starttime is field 22
  std::uint64_t started = 0;
  return fields >> started ? started : 0;
}

std::uint64_t now_ns() { return clock_ns(CLOCK_MONOTONIC); }
std::uint64_t thread_time_ns() { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

void give_way() {
  if (::getsid(0) != ::getpid()) return;
  const UniqueFd group(::open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC));
  // Autogroups may be off, or the kernel may refuse a second write within 100 ms: then this process
  // goes on competing for the processor, which is slower and no error.
  if (group.valid()) (void)!::write(group.get(), "19", 2);
}

// More processors than a cpu_set_t has bits are EINVAL.
std::uint32_t processors() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    return static_cast<std::uint32_t>(std::max(CPU_COUNT(&set), 1));
  }
  return static_cast<std::uint32_t>(std::max<long>(::sysconf(_SC_NPROCESSORS_ONLN), 1));
}

std::int64_t now_us() { return static_cast<std::int64_t>(now_ns() / 1000); }

}  // namespace handoff::io
