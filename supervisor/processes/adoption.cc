#include "supervisor/processes/adoption.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>
#include <utility>

#include "libhandoff/sys/process.h"

namespace handoff::supervisor {
namespace {

constexpr int kPidfd = 3;  // P_PIDFD of waitid(2), which older headers lack

}  // namespace

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

std::uint64_t start_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  // proc(5): the name may contain anything, so count from the last ')'; starttime is field 22.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  for (int i = 3; i < 22; ++i) fields >> field;
  std::uint64_t started = 0;
  fields >> started;
  return fields ? started : 0;
}

std::unique_ptr<Process> find_process(const SavedProcess& saved) {
  if (saved.pid <= 0) return nullptr;
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, saved.pid, 0)));
  // First held, then looked at: what the number means can't change in between.
  if (!pidfd.valid() || start_of(saved.pid) != saved.started) return nullptr;
  if (handoff::io::has_exited(pidfd.get())) return nullptr;
  auto process = std::make_unique<Process>();
  process->generation = saved.generation;
  process->pid = saved.pid;
  process->started = saved.started;
  process->pidfd = std::move(pidfd);
  process->since = std::chrono::system_clock::from_time_t(static_cast<std::time_t>(saved.since));
  return process;
}

Exit exit_of(const Process& process) {
  siginfo_t info{};
  Exit exit;
  if (::waitid(static_cast<idtype_t>(kPidfd), static_cast<id_t>(process.pidfd.get()), &info,
               WEXITED | WNOHANG) < 0 ||
      info.si_pid == 0) {
    exit.unseen = true;
    return exit;
  }
  exit.signalled = info.si_code != CLD_EXITED;
  exit.core_dumped = info.si_code == CLD_DUMPED;
  exit.number = info.si_status;
  return exit;
}

}  // namespace handoff::supervisor
