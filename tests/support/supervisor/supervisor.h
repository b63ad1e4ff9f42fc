// The real supervisor in a runtime folder of its own, and the commands that operators give it.
//
// However it is started, and started again after its death, it is by this class. The destructor
// stops all of it; nothing that this object started survives it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/process/deadline.h"
#include "support/process/files.h"
#include "support/process/process.h"

namespace handoff::test {

class Supervisor {
 public:
  struct Options {
    std::vector<std::string> command;  // the service's program and its arguments
    std::string name = "echo";
    std::vector<std::string> listeners = {"public=tcp:127.0.0.1:0"};
    std::vector<std::string> run_flags = {};  // more for `handoff run`
    Environment environment = {};             // for it and its services
    // The rest of a handoff.toml, which is used in place of arguments: more keys of the service's
    // table, and then tables of other services.
    std::string config = {};
    // The path of a handoff.toml that the test has written, used in place of all of that.
    std::string file = {};
    // A command that `handoff run ...` is appended to, and that executes it.
    std::vector<std::string> wrapper = {};
  };
  Supervisor() = default;  // nothing runs yet
  explicit Supervisor(Options options) : Supervisor() { start(std::move(options)); }
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Returns when all its services run, or throws with what the supervisor said.
  void start(Options options);
  // `handoff run ARGUMENTS`; waits for nothing.
  void run(std::vector<std::string> arguments, Environment environment = {});
  // SIGKILL to the supervisor alone, if there is one; what it has started lives on.
  void kill();
  // What the next start_again() starts.
  Options& options() { return options_; }
  // As it was, or with another environment; returns when the services run.
  void start_again();
  void start_again(Environment environment);
  // SIGTERM, and waits for the end.
  handoff::test::Outcome terminate();

  // What a command of the operator came to.
  struct Outcome : handoff::test::Outcome {
    // The lines of its output that are JSON.
    std::vector<nlohmann::json> events() const;
    // The last event, {"event":"done",...}; null if there is none.
    nlohmann::json done() const;
  };
  // `handoff ARGUMENTS` against this supervisor: to its end, or begun.
  Outcome command(std::vector<std::string> arguments) const;
  std::unique_ptr<Process> begin(std::vector<std::string> arguments) const;
  // With --json. arguments follow the "--", flags are for the command.
  Outcome upgrade(const std::string& binary, const std::vector<std::string>& arguments = {},
                  const std::vector<std::string>& flags = {}) const;
  Outcome plan(const std::string& binary, const std::vector<std::string>& arguments = {},
               const std::vector<std::string>& flags = {}) const;
  // An upgrade to the file that runs, with other arguments.
  Outcome upgrade_with(const std::vector<std::string>& arguments,
                       const std::vector<std::string>& flags = {}) const;
  // Records of `handoff history`, in their order; of that event alone.
  std::vector<nlohmann::json> history(const std::string& event = "") const;

  // The service's object in the status, of the first if none is named; null if there is none (yet).
  nlohmann::json status(const std::string& service = "") const;
  // Waits until it is so, and returns it; throws with it if it never is so, or the supervisor ends.
  nlohmann::json wait_for_status(const std::function<bool(const nlohmann::json&)>& so,
                                 const std::string& service = "",
                                 Deadline deadline = Deadline::patience()) const;
  void wait_for_state(const std::string& state, const std::string& service = "") const;
  // For what is no part of the status. The condition is asked again after the supervisor has
  // answered a question for the status, and its services one of the supervisor's: both have then
  // seen to what had come before. False at the deadline, or if the supervisor has ended.
  bool eventually(const std::function<bool()>& so, Deadline deadline = Deadline::patience()) const;
  // Waits until it says so.
  bool says(std::string_view text) const { return process_->wait_for_output(text); }
  std::string log() const;  // all that it and its predecessors have said, and their services

  // Until the donors of earlier upgrades have gone: an upgrade is over before its donor has exited,
  // and a donor that has retired gives way to everybody else.
  void settle() const;
  // What the supervisor has open: now; and once it has settled, and has closed its ends of the
  // commands that were given.
  std::multiset<std::string> files() const;
  std::multiset<std::string> settled_files() const;

  int port(const std::string& listener = "public") const;
  pid_t pid() const { return process_->pid(); }
  pid_t service_pid() const;
  Process& process() { return *process_; }
  const std::string& name() const { return options_.name; }
  // A folder for the test's own files; "run" in it is the supervisor's.
  const TempDir& dir() const { return dir_; }
  std::string runtime() const { return environment().at("HANDOFF_RUNTIME_DIR"); }

 private:
  Environment environment() const;  // for commands
  std::vector<std::string> run_arguments() const;
  void wait_until_running() const;
  Outcome hand_over(const char* command, std::vector<std::string> positional,
                    const std::vector<std::string>& arguments,
                    const std::vector<std::string>& flags) const;

  TempDir dir_;
  Options options_;
  Environment environment_;  // of the last run()
  std::unique_ptr<Process> process_;
  std::vector<std::unique_ptr<Process>> dead_;  // their services still write to their files
};

}  // namespace handoff::test
