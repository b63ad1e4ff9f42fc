// The supervisor under test with its one service, in folders of its own, and what can be seen of
// its processes from outside. Nothing here waits for the supervisor but start(): it may be stopped,
// or wait at a failpoint.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cell.h"
#include "process.h"
#include "temp_dir.h"

namespace chaos {

class Supervision {
 public:
  explicit Supervision(Service service);
  // Ends all of it, whoever started it.
  ~Supervision();

  // `handoff run`; failpoints is HANDOFF_FAILPOINT for it and its services. May be called again
  // when the supervisor has died.
  void start(const std::string& failpoints);
  // `handoff ARGUMENTS`.
  std::unique_ptr<test::Process> command(std::vector<std::string> arguments) const;
  std::unique_ptr<test::Process> upgrade(int release) const;

  // Asks for the service's status; reply() has it as soon as it is there.
  class Question {
   public:
    explicit Question(const std::string& runtime);
    // The service's object, {} if it can't be had any more; nothing yet: nullopt.
    std::optional<nlohmann::json> reply();

   private:
    handoff::UniqueFd fd_;
    std::string text_;
  };
  Question ask_status() const { return Question(runtime()); }

  test::Process& process() { return *process_; }
  pid_t pid() const { return process_->pid(); }
  // Its processes that have not ended: children of the supervisor, and ours when it has died.
  std::vector<pid_t> services() const;
  std::string log() const { return log_of_the_dead_ + process_->out() + process_->err(); }
  std::string path(const std::string& name) const { return (dir_.path() / name).string(); }
  std::string runtime() const { return path("run"); }

 private:
  std::map<std::string, std::string> environment() const;

  Service service_;
  test::TempDir dir_;
  std::unique_ptr<test::Process> process_;
  std::string log_of_the_dead_;
  mutable std::set<pid_t> started_;  // our children that are no services
};

// What /proc says of a process. '\0': there is none.
char process_state(pid_t pid);
bool is_running(pid_t pid);  // there, and no zombie
// It runs, and is not on its way out: neither exiting, nor with a SIGKILL to come that it can't
// escape. (The helper of a leak check whose process was ended in it dies with that, a moment
// later.)
bool can_act(pid_t pid);
long generation_of(pid_t pid);
long resident_kb(pid_t pid);
// "socket", "anon_inode:[eventpoll]", ... with how many of its fds are that.
std::map<std::string, int> kinds_of_files(pid_t pid);
std::string describe(const std::map<std::string, int>& kinds);

}  // namespace chaos
