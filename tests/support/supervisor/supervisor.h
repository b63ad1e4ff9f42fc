// The real supervisor in a runtime folder of its own, and the commands that operators give it.
//
// Tests start supervisors, and start them again after a death, by this class alone. Nothing that
// the object has started survives its destructor.
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
    Environment environment = {};             // for the supervisor and its services
    // The rest of a handoff.toml, which is used in place of arguments: more keys of the service's
    // table, and then tables of other services.
    std::string config = {};
    // The path of a handoff.toml that the test has written, used in place of all of that.
    std::string file = {};
    // A command that executes its arguments: `handoff run ...` is appended to it.
    std::vector<std::string> wrapper = {};
  };
  Supervisor() = default;  // nothing runs yet
  explicit Supervisor(Options options) : Supervisor() { start(std::move(options)); }
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Returns when all services run, or throws with what the supervisor said.
  void start(Options options);
  // `handoff run ARGUMENTS`; waits for nothing.
  void run(std::vector<std::string> arguments, Environment environment = {});
  // Sends SIGKILL to the supervisor alone, if it runs; its services live on.
  void kill();
  // The options for the next start_again().
  Options& options() { return options_; }
  // Starts a supervisor again, as before or with another environment; returns when the services
  // run.
  void start_again();
  void start_again(Environment environment);
  // Likewise; returns when all services are in that state: "stopped", say.
  void start_again_until(const std::string& state);
  // Sends SIGTERM, and waits for the end.
  handoff::test::Outcome terminate();

  // The result of an operator's command.
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
  // The records of `handoff history` in their order; with an event, only those of that event.
  std::vector<nlohmann::json> history(const std::string& event = "") const;

  // The object of that service in the status, or of the first one; null if there is none (yet).
  nlohmann::json status(const std::string& service = "") const;
  // Waits until `so` is true of the service's status, and returns that. Throws with the last status
  // if it never is, or if the supervisor ends.
  nlohmann::json wait_for_status(const std::function<bool(const nlohmann::json&)>& so,
                                 const std::string& service = "",
                                 Deadline deadline = Deadline::patience()) const;
  void wait_for_state(const std::string& state, const std::string& service = "") const;
  // Waits for a condition that is no part of the status. It is checked each time the supervisor has
  // answered a question for the status, and its services one of the supervisor's: by then both have
  // handled what had come before. False at the deadline, or if the supervisor has ended.
  bool eventually(const std::function<bool()>& so, Deadline deadline = Deadline::patience()) const;
  // Waits until the supervisor, or a service, prints this text.
  bool says(std::string_view text) const { return process_->wait_for_output(text); }
  std::string log() const;  // of this supervisor, its predecessors, and their services

  // Waits until the donors of earlier upgrades have exited, and until the choice is kept: an
  // upgrade is over before its donor has exited, and a retired donor gives way to all other
  // processes.
  void settle() const;
  // What the supervisor has open: files() now, settled_files() once it has settled and has closed
  // the connections of the commands that were given.
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
  void wait_until_all_are(const std::string& state) const;
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
