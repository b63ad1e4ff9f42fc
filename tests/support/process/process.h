// A child process: held by its pidfd, its output read while it runs.
//
// Output goes into two files without a name. So a talkative child never blocks, and its own
// children can still write when it is gone. No thread of the test reads output, so that a test may
// fork; inotify(7) wakes a test that waits for a text.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libhandoff/base/unique_fd.h"
#include "support/process/deadline.h"

namespace handoff::test {

// As a shell shows it: the exit status, or 128 and the signal's number.
using ExitStatus = int;
// Variables that replace those of the test's environment; an empty value unsets one.
using Environment = std::map<std::string, std::string>;

// How a process has ended, and what it printed.
struct Outcome {
  ExitStatus status = -1;
  std::string out, err;

  std::string describe() const;
};

class Process {
 public:
  // command[0] is a path.
  explicit Process(const std::vector<std::string>& command, const Environment& environment = {});
  // A fork of the test that runs body, whose result is the exit status. Its output is that of the
  // test. Of the fds above 2 it keeps only kept_fd, if any.
  explicit Process(const std::function<int()>& body, int kept_fd = -1);
  // Ends the process with SIGKILL, and reaps it.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  void signal(int number) const;
  void stop();  // SIGSTOP, and waits until the process is stopped
  void kill();  // SIGKILL, and waits for its end

  // Waits until the process is stopped, by whatever signal; false if it ends instead.
  bool wait_stopped() const;
  // Waits for the process's end; throws if it does not come.
  ExitStatus wait();
  // Like wait(), with all of its output.
  Outcome finish();
  // nullopt if the process still runs at the deadline.
  std::optional<ExitStatus> wait(Deadline deadline);
  bool running() { return !wait(Deadline::in({})).has_value(); }

  // What the process has written so far.
  std::string out() const;
  std::string err() const;
  // How many bytes both outputs have.
  std::size_t written() const;
  // Waits until the text occurs in stdout or stderr; false at the deadline, or if the process has
  // ended without it.
  bool wait_for_output(std::string_view text, Deadline deadline = Deadline::patience());
  // Waits until the process has written more than so many bytes.
  bool wait_for_more(std::size_t bytes, Deadline deadline);

 private:
  void watch_its_end();
  bool wait_output(const std::function<bool()>& so, Deadline deadline);

  pid_t pid_ = -1;
  UniqueFd pidfd_;
  UniqueFd out_, err_;  // not valid in a fork
  std::optional<ExitStatus> status_;
};

// Runs a command to its end.
Outcome run(const std::vector<std::string>& command, const Environment& environment = {});
// A command line of sh; throws unless it succeeds.
void shell(const std::string& line);
// The body of a process that is there to be killed.
int wait_to_be_killed();

// The pidfd of a process that the test has caused to exist, but that is no child of it. Held so,
// its number can't come to mean another process. Not valid() if there is no such process.
UniqueFd hold(pid_t pid);
// Waits until the process has ended; false at the deadline.
bool wait_end(const UniqueFd& process, Deadline deadline = Deadline::patience());
// Sends SIGKILL, and waits until the process has ended.
void kill_and_wait(const UniqueFd& process, Deadline deadline = Deadline::patience());

}  // namespace handoff::test
