// The supervisor under test with its one service, and what can be seen of its processes from
// outside. Nothing here waits for the supervisor: it may be stopped, or wait at a failpoint.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cell.h"
#include "support/process/process.h"
#include "support/supervisor/question.h"
#include "support/supervisor/supervisor.h"

namespace chaos {

namespace test = handoff::test;

class Supervision {
 public:
  explicit Supervision(Service service) : service_(service) {}
  // Ends all of it, whoever started it.
  ~Supervision();

  // `handoff run`; failpoints is HANDOFF_FAILPOINT for it and its services. May be called again
  // when the supervisor has died.
  void start(const std::string& failpoints);
  // `handoff ARGUMENTS`, begun.
  std::unique_ptr<test::Process> command(std::vector<std::string> arguments);
  std::unique_ptr<test::Process> upgrade(int release);
  test::Question ask_status() const { return test::Question(runtime()); }

  test::Supervisor& supervisor() { return supervisor_; }
  test::Process& process() { return supervisor_.process(); }
  pid_t pid() const { return supervisor_.pid(); }
  // Its processes that have not ended: children of the supervisor, and ours when it has died.
  std::vector<pid_t> services() const;
  std::string log() const { return supervisor_.log(); }
  std::string path(const std::string& name) const { return supervisor_.dir() / name; }
  std::string runtime() const { return supervisor_.runtime(); }

 private:
  Service service_;
  test::Supervisor supervisor_;
  std::set<pid_t> started_;  // our children that are no services
};

bool is_running(pid_t pid);  // there, and no zombie
// It runs, and is not on its way out: neither exiting, nor with a SIGKILL to come that it can't
// escape. (The helper of a leak check whose process was ended in it dies with that, a moment
// later.)
bool can_act(pid_t pid);
long generation_of(pid_t pid);
// "socket", "anon_inode:[eventpoll]", ... with how many of its fds are that.
std::map<std::string, int> kinds_of_files(pid_t pid);
std::string describe(const std::map<std::string, int>& kinds);

}  // namespace chaos
