#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

extern char** environ;

namespace test {
namespace {

using handoff::UniqueFd;

[[noreturn]] void fail(const std::string& what, int error = errno) {
  throw std::system_error(error, std::generic_category(), what);
}

// <sys/pidfd.h> of Debian 12 can't be used from C++: it lacks the extern "C".
int pidfd_open(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }
int pidfd_send_signal(int pidfd, int number) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0));
}

struct Pipe {
  UniqueFd read, write;
};
Pipe make_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) < 0) fail("pipe2");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& changes) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    all[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : changes) all[name] = value;
  std::vector<std::string> out;
  for (const auto& [name, value] : all) {
    const auto change = changes.find(name);
    const bool unset = change != changes.end() && change->second.empty();
    if (!unset) out.push_back(name + "=" + value);
  }
  return out;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

// All that is there right now. False at the end of the pipe.
bool read_available(int fd, std::string& into) {
  std::array<char, 16384> buffer;
  const ssize_t n = ::read(fd, buffer.data(), buffer.size());
  if (n > 0) into.append(buffer.data(), static_cast<std::size_t>(n));
  return n > 0 || (n < 0 && errno == EINTR);
}

// True once the process behind pidfd has ended.
bool wait_pidfd(int pidfd, Deadline deadline) {
  for (;;) {
    pollfd p{pidfd, POLLIN, 0};
    const int n = ::poll(&p, 1, deadline.milliseconds());
    if (n == 1) return true;
    if (n < 0 && errno != EINTR) fail("poll on a pidfd");
    if (n == 0 && deadline.passed()) return false;
  }
}

}  // namespace

Process::Process(const std::vector<std::string>& command,
                 const std::map<std::string, std::string>& environment) {
  stop_event_.reset(::eventfd(0, EFD_CLOEXEC));
  if (!stop_event_.valid()) fail("eventfd");
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  const std::vector<std::string> variables = merged_environment(environment);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write.get(), STDERR_FILENO);
  const int result = ::posix_spawn(&pid_, command.at(0).c_str(), &actions, nullptr,
                                   pointers(command).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  if (result != 0) fail("starting " + command[0], result);

  // Not yet reaped, so the number is still its own.
  pidfd_.reset(pidfd_open(pid_));
  if (!pidfd_.valid()) fail("pidfd_open");
  out_pipe_ = std::move(out.read);
  err_pipe_ = std::move(err.read);
  reader_ = std::thread([this] { drain(); });
}

Process::~Process() {
  if (running()) {
    signal(SIGKILL);
    wait(Deadline::in(std::chrono::seconds(30)));
  }
  // Processes that the child started may hold its pipes open.
  const std::uint64_t one = 1;
  if (::write(stop_event_.get(), &one, sizeof one) != sizeof one) std::terminate();
  reader_.join();
}

void Process::signal(int number) const {
  if (pidfd_send_signal(pidfd_.get(), number) < 0 && errno != ESRCH) {
    fail("pidfd_send_signal");
  }
}

std::optional<ExitStatus> Process::wait(Deadline deadline) {
  if (status_.has_value() || !wait_pidfd(pidfd_.get(), deadline)) return status_;
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) < 0) fail("waitid");
  status_ = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  return status_;
}

void Process::drain() {
  bool out_open = true;
  bool err_open = true;
  while (out_open || err_open) {
    std::array<pollfd, 3> fds{pollfd{out_open ? out_pipe_.get() : -1, POLLIN, 0},
                              pollfd{err_open ? err_pipe_.get() : -1, POLLIN, 0},
                              pollfd{stop_event_.get(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0) continue;  // EINTR
    if (fds[2].revents != 0) break;
    const std::lock_guard lock(mutex_);
    if (fds[0].revents != 0) out_open = read_available(out_pipe_.get(), out_);
    if (fds[1].revents != 0) err_open = read_available(err_pipe_.get(), err_);
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  drained_ = true;
  changed_.notify_all();
}

std::string Process::out() const {
  const std::lock_guard lock(mutex_);
  return out_;
}
std::string Process::err() const {
  const std::lock_guard lock(mutex_);
  return err_;
}

bool Process::wait_output(const std::function<bool()>& done, Deadline deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline.at(), done);
}
bool Process::wait_output_end(Deadline deadline) {
  return wait_output([this] { return drained_; }, deadline);
}
bool Process::wait_for_output(std::string_view text, Deadline deadline) {
  const auto has = [text](const std::string& s) { return s.find(text) != std::string::npos; };
  wait_output([&] { return drained_ || has(out_) || has(err_); }, deadline);
  return has(out()) || has(err());
}

UniqueFd hold(pid_t pid) { return UniqueFd(pidfd_open(pid)); }

bool wait_end(const UniqueFd& process, Deadline deadline) {
  return !process.valid() || wait_pidfd(process.get(), deadline);
}

void kill_and_wait(const UniqueFd& process, Deadline deadline) {
  if (!process.valid()) return;
  if (pidfd_send_signal(process.get(), SIGKILL) < 0) return;  // gone already
  wait_pidfd(process.get(), deadline);
}

}  // namespace test
