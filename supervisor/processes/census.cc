// The happy path: /proc/PID/environ of every process has HANDOFF_PID, which is the pid itself but
// in children of a service, and HANDOFF_RETURN, which names the runtime folder. The failures: a
// process that has ended meanwhile, or is another user's and always was, is skipped.
#include "supervisor/processes/census.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <sstream>

#include "supervisor/processes/adoption.h"
#include "supervisor/processes/mailbox.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

template <class Number>
bool number(const std::string& text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// Whether it has a socket of which that is true. False if its fds can't be seen. link: what the
// fd's link in /proc begins with.
bool has_socket(const Process& process, const std::function<bool(int fd)>& so,
                const std::string& link = "socket:") {
  std::error_code error;
  const std::string fds = "/proc/" + std::to_string(process.pid) + "/fd";
  for (fs::directory_iterator at(fds, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;
    if (!fs::read_symlink(at->path(), gone).string().starts_with(link)) continue;
    int fd = -1;
    if (!number(at->path().filename().string(), fd)) continue;
    const UniqueFd its(static_cast<int>(::syscall(SYS_pidfd_getfd, process.pidfd.get(), fd, 0)));
    if (its.valid() && so(its.get())) return true;
  }
  return false;
}

// The user who has executed the program, whatever rights that has (setuid): the first number of
// "Uid:" in proc_pid_status(5).
std::optional<uid_t> user_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("Uid:")) continue;
    uid_t real = 0;
    std::istringstream fields(line.substr(4));
    if (fields >> real) return real;
  }
  return std::nullopt;
}

}  // namespace

std::map<std::string, std::string> handoff_environment_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
  std::map<std::string, std::string> out;
  for (std::string text; std::getline(file, text, '\0');) {
    const std::size_t equals = text.find('=');
    if (text.starts_with("HANDOFF_") && equals != std::string::npos) {
      out.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return out;
}

bool is_ours(const Process& process) {
  const auto user = user_of(process.pid);
  return user && (*user == ::geteuid() ||
                  has_socket(process, [&](int fd) { return is_mailbox(fd, process.mailbox); }));
}

bool sees_another_folder(pid_t pid, const std::string& report_path) {
  const std::string lock = report_path.substr(0, report_path.rfind('/')) + "/lock";
  struct stat its {};
  struct stat ours {};
  return ::stat(("/proc/" + std::to_string(pid) + "/root" + lock).c_str(), &its) == 0 &&
         ::stat(lock.c_str(), &ours) == 0 &&
         (its.st_ino != ours.st_ino || its.st_dev != ours.st_dev);
}

std::vector<Orphan> take_census(const std::string& report_path) {
  std::vector<Orphan> out;
  std::error_code error;
  for (fs::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
    pid_t pid = 0;
    if (!number(at->path().filename().string(), pid)) continue;
    // Held before it is looked at: the number is its own.
    auto process = hold_process(pid);
    if (!process) continue;
    const auto variables = handoff_environment_of(pid);
    const auto value = [&variables](const char* name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::string() : found->second;
    };
    pid_t meant = 0;
    if (value("HANDOFF_RETURN") != report_path || !number(value("HANDOFF_PID"), meant) ||
        meant != pid || !number(value("HANDOFF_GENERATION"), process->generation)) {
      continue;
    }
    process->mailbox = value("HANDOFF_MAILBOX");
    if (!is_ours(*process) || sees_another_folder(pid, report_path)) continue;
    out.push_back({value("HANDOFF_SERVICE"), std::move(process)});
  }
  std::sort(out.begin(), out.end(), [](const Orphan& a, const Orphan& b) {
    return a.process->generation > b.process->generation;
  });
  return out;
}

std::string mailbox_of(pid_t pid) {
  auto variables = handoff_environment_of(pid);
  return variables["HANDOFF_PID"] == std::to_string(pid) ? variables["HANDOFF_MAILBOX"] : "";
}

UniqueFd socket_of(const Process& process, const io::Identity& which) {
  UniqueFd out;
  const auto take = [&](int fd) {
    const auto identity = io::identity_of(fd);
    if (identity && *identity == which) out = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    return out.valid();
  };
  (void)has_socket(process, take, "socket:[" + std::to_string(which.inode) + "]");
  return out;
}

std::string orphan_at(const core::Address& address, const std::string& report_path) {
  for (const Orphan& orphan : take_census(report_path)) {
    if (!has_socket(*orphan.process,
                    [&](int fd) { return handoff::io::listens_at(fd, address); })) {
      continue;
    }
    return "generation " + std::to_string(orphan.process->generation) + " of " + orphan.service +
           " (pid " + std::to_string(orphan.process->pid) + ")";
  }
  return "";
}

}  // namespace handoff::supervisor
