// A child process: known by its pidfd, its output read while it runs.
//
// A thread drains both pipes, so that a talkative child never blocks, and wakes whoever waits for
// a certain output. The destructor ends the child with SIGKILL if it still runs and reaps it.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <csignal>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "deadline.h"

namespace test {

// As a shell shows it: the exit status, or 128 and the signal's number.
using ExitStatus = int;

class Process {
 public:
  // command[0] is a path. environment is put over this process's own; an empty value unsets.
  explicit Process(const std::vector<std::string>& command,
                   const std::map<std::string, std::string>& environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  void signal(int number) const;
  // nullopt if it still runs at the deadline.
  std::optional<ExitStatus> wait(Deadline deadline);
  bool running() { return !wait(Deadline::in({})).has_value(); }

  // What it has written so far.
  std::string out() const;
  std::string err() const;
  // Waits until the output is complete: the child has closed it, or ended.
  bool wait_output_end(Deadline deadline);
  // Waits until the text occurs in stdout or stderr.
  bool wait_for_output(std::string_view text, Deadline deadline);

 private:
  void drain();
  bool wait_output(const std::function<bool()>& done, Deadline deadline);

  pid_t pid_ = -1;
  handoff::UniqueFd pidfd_, out_pipe_, err_pipe_, stop_event_;
  std::optional<ExitStatus> status_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string out_, err_;  // guarded by mutex_
  bool drained_ = false;   // guarded by mutex_
  std::thread reader_;
};

// A process that is not a child of ours but that the test caused to exist: held by its pidfd, so
// that its number can't come to mean another. Not valid() if there is no such process.
handoff::UniqueFd hold(pid_t pid);
// Waits until it has ended.
bool wait_end(const handoff::UniqueFd& process, Deadline deadline);
// SIGKILL, and waits until it has ended.
void kill_and_wait(const handoff::UniqueFd& process, Deadline deadline);

}  // namespace test
