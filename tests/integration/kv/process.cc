#include "process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <system_error>

#include "resp_client.h"

namespace kv::test {

Process::Process(const std::vector<std::string>& command,
                 const std::vector<std::string>& environment)
    : output_(::memfd_create("output", MFD_CLOEXEC)) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const std::string& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
  ::dup2(output_, STDOUT_FILENO);
  ::dup2(output_, STDERR_FILENO);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

Process::~Process() {
  if (running()) {
    signal(SIGKILL);
    reap(0);
  }
  ::close(output_);
}

void Process::reap(int options) {
  if (status_ >= 0) return;
  int status = 0;
  if (::waitpid(pid_, &status, options) != pid_) return;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Process::running() {
  reap(WNOHANG);
  return status_ < 0;
}

void Process::signal(int number) const { ::kill(pid_, number); }

int Process::wait() {
  if (!running()) return status_;
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  pollfd p{pidfd, POLLIN, 0};
  if (::poll(&p, 1, kPatienceMs) != 1) {
    ADD_FAILURE() << "process " << pid_ << " does not end";
    signal(SIGKILL);
  }
  ::close(pidfd);
  reap(0);
  return status_;
}

std::string Process::output() const {
  std::string text;
  char buffer[4096];
  off_t at = 0;
  for (ssize_t n = 0; (n = ::pread(output_, buffer, sizeof buffer, at)) > 0; at += n) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

std::string run(const std::vector<std::string>& command,
                const std::vector<std::string>& environment) {
  Process process(command, environment);
  const int status = process.wait();
  EXPECT_EQ(status, 0) << command[0] << ": " << process.output();
  return process.output();
}

}  // namespace kv::test
