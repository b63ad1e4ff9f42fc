#include "support/process/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <system_error>

extern char** environ;

namespace handoff::test {
namespace {

[[noreturn]] void fail(const std::string& what, int error = errno) {
  throw std::system_error(error, std::generic_category(), what);
}

// <sys/pidfd.h> of Debian 12 lacks the extern "C", so C++ calls the system calls by number.
int pidfd_open(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }
int pidfd_send_signal(int pidfd, int number) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0));
}

std::vector<std::string> merged_environment(const Environment& changes) {
  Environment all;
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

// A file without a name for output. inotify can't watch a memfd, so it is a real file; O_APPEND is
// for processes that open their /dev/stderr anew.
UniqueFd make_output() {
  std::string path = (std::filesystem::temp_directory_path() / "handoff-output-XXXXXX").string();
  UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC | O_APPEND));
  if (!fd.valid()) fail("mkostemp " + path);
  if (::unlink(path.c_str()) < 0) fail("unlink " + path);
  return fd;
}

std::size_t size_of(const UniqueFd& file) {
  struct stat info {};
  if (file.valid() && ::fstat(file.get(), &info) < 0) fail("fstat of a process's output");
  return static_cast<std::size_t>(info.st_size);
}

std::string text_of(const UniqueFd& file) {
  std::string text(size_of(file), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t n =
        ::pread(file.get(), text.data() + have, text.size() - have, static_cast<off_t>(have));
    if (n < 0 && errno != EINTR) fail("reading a process's output");
    if (n == 0) break;
    if (n > 0) have += static_cast<std::size_t>(n);
  }
  text.resize(have);
  return text;
}

// An fd that is readable whenever something was written to one of these files.
UniqueFd watch(const UniqueFd& one, const UniqueFd& other) {
  UniqueFd out(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!out.valid()) fail("inotify_init1");
  for (const UniqueFd* file : {&one, &other}) {
    if (!file->valid()) continue;
    const std::string path = "/proc/self/fd/" + std::to_string(file->get());
    if (::inotify_add_watch(out.get(), path.c_str(), IN_MODIFY) < 0) fail("inotify_add_watch");
  }
  return out;
}

void drain(const UniqueFd& inotify) {
  std::array<char, 4096> events;
  while (::read(inotify.get(), events.data(), events.size()) > 0) {
  }
}

}  // namespace

std::string Outcome::describe() const {
  return "exit status " + std::to_string(status) + "\n" + out + err;
}

Process::Process(const std::vector<std::string>& command, const Environment& environment)
    : out_(make_output()), err_(make_output()) {
  const std::vector<std::string> variables = merged_environment(environment);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out_.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err_.get(), STDERR_FILENO);
  const int result = ::posix_spawn(&pid_, command.at(0).c_str(), &actions, nullptr,
                                   pointers(command).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  if (result != 0) fail("starting " + command[0], result);
  watch_its_end();
}

Process::Process(const std::function<int()>& body, int kept_fd) {
  std::fflush(nullptr);  // else the child's exit writes what waits here a second time
  pid_ = ::fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) {
    // A real supervisor's exec closes all other fds. If the child kept them, another process's
    // channel would never end.
    const auto kept = static_cast<unsigned>(kept_fd);
    if (kept_fd > 3) ::close_range(3, kept - 1, 0);
    ::close_range(kept_fd > 2 ? kept + 1 : 3, ~0U, 0);
    int status = 1;
    try {
      status = body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child %d: %s\n", static_cast<int>(::getpid()), error.what());
    }
    std::fflush(nullptr);
    ::_exit(status);
  }
  watch_its_end();
}

// The child is not reaped yet, so its pid can't mean another process.
void Process::watch_its_end() {
  pidfd_.reset(pidfd_open(pid_));
  if (!pidfd_.valid()) fail("pidfd_open");
}

Process::~Process() {
  if (!status_) kill();
}

void Process::signal(int number) const {
  if (pidfd_send_signal(pidfd_.get(), number) < 0 && errno != ESRCH) fail("pidfd_send_signal");
}

void Process::stop() {
  signal(SIGSTOP);
  if (!wait_stopped()) throw std::runtime_error("a process that was to be stopped has ended");
}

void Process::kill() {
  signal(SIGKILL);
  wait();
}

bool Process::wait_stopped() const {
  if (status_) return false;
  siginfo_t info{};
  const auto id = static_cast<id_t>(pidfd_.get());
  while (::waitid(P_PIDFD, id, &info, WSTOPPED | WEXITED | WNOWAIT) < 0) {
    if (errno != EINTR) fail("waitid");
  }
  return info.si_code == CLD_STOPPED;
}

std::optional<ExitStatus> Process::wait(Deadline deadline) {
  if (status_ || !readable(pidfd_.get(), deadline)) return status_;
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) < 0) fail("waitid");
  status_ = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  return status_;
}

ExitStatus Process::wait() {
  const auto status = wait(Deadline::patience());
  if (!status) {
    throw std::runtime_error("process " + std::to_string(pid_) + " does not end:\n" + out() +
                             err());
  }
  return *status;
}

Outcome Process::finish() {
  const ExitStatus status = wait();
  return {status, out(), err()};
}

std::string Process::out() const { return text_of(out_); }
std::string Process::err() const { return text_of(err_); }
std::size_t Process::written() const { return size_of(out_) + size_of(err_); }

// The watch is set before the output is read, and an end is noticed before that, so nothing is
// missed.
bool Process::wait_output(const std::function<bool()>& so, Deadline deadline) {
  const UniqueFd changes = watch(out_, err_);
  for (;;) {
    drain(changes);
    const bool ended = !running();
    if (so()) return true;
    if (ended || deadline.passed()) return false;
    std::array<pollfd, 2> fds{pollfd{changes.get(), POLLIN, 0}, pollfd{pidfd_.get(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), deadline.milliseconds()) < 0 && errno != EINTR) fail("poll");
  }
}

bool Process::wait_for_output(std::string_view text, Deadline deadline) {
  return wait_output(
      [&] {
        return out().find(text) != std::string::npos || err().find(text) != std::string::npos;
      },
      deadline);
}

bool Process::wait_for_more(std::size_t bytes, Deadline deadline) {
  return wait_output([&] { return written() > bytes; }, deadline);
}

Outcome run(const std::vector<std::string>& command, const Environment& environment) {
  return Process(command, environment).finish();
}

void shell(const std::string& line) {
  const Outcome outcome = run({"/bin/sh", "-c", line});
  if (outcome.status != 0) throw std::runtime_error(line + ": " + outcome.describe());
}

int wait_to_be_killed() {
  for (;;) ::pause();
}

UniqueFd hold(pid_t pid) { return UniqueFd(pidfd_open(pid)); }

bool wait_end(const UniqueFd& process, Deadline deadline) {
  return !process.valid() || readable(process.get(), deadline);
}

void kill_and_wait(const UniqueFd& process, Deadline deadline) {
  if (!process.valid()) return;
  if (pidfd_send_signal(process.get(), SIGKILL) < 0) return;  // it has ended
  readable(process.get(), deadline);
}

}  // namespace handoff::test
