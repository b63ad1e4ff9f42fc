// The supervisor under test with its one service, and what can be seen of their processes from
// outside. Nothing here waits for the supervisor, which may be stopped, or wait at a failpoint.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cell.h"
#include "support/process/certificate.h"
#include "support/process/process.h"
#include "support/supervisor/question.h"
#include "support/supervisor/supervisor.h"

namespace chaos {

namespace test = handoff::test;

class Supervision {
 public:
  explicit Supervision(Service service) : service_(service) {
    if (speaks_tls(service)) certificate_.emplace();
  }
  // Ends all processes, whichever supervisor started them.
  ~Supervision();

  // `handoff run`; failpoints is HANDOFF_FAILPOINT for it and its services. May be called again
  // when the supervisor has died.
  void start(const std::string& failpoints);
  // With a vault, which goes on as often as anybody strikes; returns when the service runs.
  void start_with_vault();
  // `handoff ARGUMENTS`, begun.
  std::unique_ptr<test::Process> command(std::vector<std::string> arguments);
  std::unique_ptr<test::Process> upgrade(int release);
  test::Question ask_status() const { return test::Question(runtime()); }

  test::Supervisor& supervisor() { return supervisor_; }
  test::Process& process() { return supervisor_.process(); }
  pid_t pid() const { return supervisor_.pid(); }
  // The service's processes that have not ended: children of the supervisor, or ours once it has
  // died.
  std::vector<pid_t> services() const;
  std::string log() const { return supervisor_.log(); }
  std::string path(const std::string& name) const { return supervisor_.dir() / name; }
  std::string runtime() const { return supervisor_.runtime(); }

 private:
  Service service_;
  std::optional<test::Certificate> certificate_;
  test::Supervisor supervisor_;
  std::set<pid_t> started_;  // our children that are no services
};

bool is_running(pid_t pid);  // there, and no zombie
// Whether the process runs or is stopped, and is not on its way out: neither exiting nor with a
// SIGKILL pending. (A leak check's helper is such a case: it dies a moment after its process.)
bool can_act(pid_t pid);
long generation_of(pid_t pid);
// How many of the process's fds are of each kind: "socket", "anon_inode:[eventpoll]", ...
std::map<std::string, int> kinds_of_files(pid_t pid);
std::string describe(const std::map<std::string, int>& kinds);

}  // namespace chaos
