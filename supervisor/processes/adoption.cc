#include "supervisor/processes/adoption.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "libhandoff/base/text.h"
#include "libhandoff/sys/process.h"
#include "supervisor/releases/release_source.h"

namespace handoff::supervisor {
namespace {

constexpr int kPidfd = 3;  // P_PIDFD of waitid(2), which older headers lack

// The fields of its stat(5) from the state on, which is field 3; "" if there is no such process.
std::string fields_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  // proc(5): the name before them may contain anything, so they begin behind the last ')'.
  const std::size_t name_end = text.rfind(')');
  return name_end == std::string::npos ? "" : text.substr(name_end + 1);
}

char state_of(pid_t pid) {
  std::istringstream fields(fields_of(pid));
  char state = 0;
  fields >> state;
  return state;
}

}  // namespace

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

std::uint64_t start_of(pid_t pid) {
  std::istringstream fields(fields_of(pid));
  std::string field;
  for (int i = 3; i < 22; ++i) fields >> field;  // starttime is field 22
  std::uint64_t started = 0;
  fields >> started;
  return fields ? started : 0;
}

std::uint64_t last_seen(Process& process) {
  timespec since{};
  (void)::clock_gettime(CLOCK_BOOTTIME, &since);  // can't fail: Linux has it since 2.6.39
  const auto second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  const auto ticks = static_cast<std::uint64_t>(since.tv_sec) * second +
                     static_cast<std::uint64_t>(since.tv_nsec) / (1'000'000'000 / second);
  if (!handoff::io::has_exited(process.pidfd.get())) process.seen = ticks - 1;
  return process.seen;
}

std::unique_ptr<Process> find_process(const SavedProcess& saved) {
  // Without a start time (no /proc) a number alone says nothing: it may be a stranger's by now.
  // Such a process is known again when it comes back.
  if (saved.pid <= 0 || saved.started == 0) return nullptr;
  auto process = hold_process(saved.pid);
  if (!process || process->started != saved.started) return nullptr;
  process->generation = saved.generation;
  process->mailbox = saved.mailbox;
  process->cgroup = saved.cgroup;
  process->vault.address = saved.vault.address;
  process->vault.keeper = saved.vault.pid;
  process->reads = saved.reads;
  process->since = std::chrono::system_clock::from_time_t(static_cast<std::time_t>(saved.since));
  return process;
}

std::unique_ptr<Process> hold_process(pid_t pid) {
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) return nullptr;
  auto process = std::make_unique<Process>();
  process->pid = pid;
  // First held, then looked at: what the number means can't change in between.
  process->started = start_of(pid);
  if (handoff::io::has_exited(pidfd.get())) return nullptr;
  process->pidfd = std::move(pidfd);
  process->since = std::chrono::system_clock::now();
  return process;
}

// The number is still that process's while its end is open, which is looked at after the process is
// held.
std::unique_ptr<Process> hold_peer(pid_t pid, int connection) {
  auto process = hold_process(pid);
  pollfd end{.fd = connection, .events = POLLRDHUP, .revents = 0};
  if (::poll(&end, 1, 0) < 0 || (end.revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0)
    return nullptr;
  return process;
}

bool may_live(const SavedProcess& saved) {
  return saved.started == 0 && saved.pid > 0 && hold_process(saved.pid) != nullptr;
}

std::vector<std::string> command_of_process(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  return words;
}

ReleasePtr release_of_process(pid_t pid) {
  const std::string proc = "/proc/" + std::to_string(pid) + "/";
  const std::vector<std::string> words = command_of_process(pid);
  if (words.empty()) return nullptr;
  std::string opened = proc + "exe";
  std::size_t arguments = 1;
  // A script is run by its interpreter, which was given the number of the script's fd (spawn.cc).
  constexpr std::string_view kFd = "/dev/fd/";
  for (std::size_t i = 1; i < words.size() && i <= 2; ++i) {
    if (!words[i].starts_with(kFd)) continue;
    opened = proc + "fd/" + words[i].substr(kFd.size());
    arguments = i + 1;
    break;
  }
  std::error_code error;
  std::string path = std::filesystem::read_symlink(opened, error).string();
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  if (error || !is_utf8(path)) return nullptr;
  const auto first = words.begin() + static_cast<std::ptrdiff_t>(arguments);
  auto release = open_release(opened, {first, words.end()});
  if (!release) return nullptr;
  (*release)->path = path;
  (*release)->source = path;
  return std::move(*release);
}

std::string why_away(const Process& process) {
  const std::string pid = std::to_string(process.pid);
  const std::string who =
      "generation " + std::to_string(process.generation) + " (pid " + pid + ") ";
  switch (state_of(process.pid)) {
    case 'T':
      return who + "is stopped: kill -CONT " + pid + " wakes it, and it comes back by itself";
    case 't':
      return who + "is held by a debugger: it comes back by itself when that lets it go on";
    case 'D':
      return who + "waits for a disk, or is frozen: it comes back by itself when it goes on";
    default:
      break;
  }
  if (process.mailbox.empty()) {
    return who +
           "has not come back yet. It was started by an older supervisor, and can't be reached if "
           "it has changed its user, root or namespaces since. Else it comes back by itself when "
           "its event loop turns";
  }
  return who + "has not come back yet: it comes by itself when its event loop turns";
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
