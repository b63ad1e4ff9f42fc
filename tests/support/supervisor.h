// The real supervisor with one service, in a runtime folder of its own.
//
// The constructor returns when the service runs, or throws with what the supervisor said. The
// destructor stops all of it; nothing that this object started survives it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "deadline.h"
#include "process.h"
#include "temp_dir.h"

namespace test {

class Supervisor {
 public:
  struct Options {
    std::vector<std::string> command;  // the service's binary and its arguments
    std::string name = "echo";
    std::vector<std::string> listeners = {"public=tcp:127.0.0.1:0"};
    std::vector<std::string> run_flags = {};              // more for `handoff run`
    std::map<std::string, std::string> environment = {};  // more for `handoff run`
    // Lines for the service's table in a handoff.toml, which is used in place of arguments.
    std::string config = {};
  };
  explicit Supervisor(Options options);
  ~Supervisor();

  // What a command of the operator came to.
  struct Outcome {
    ExitStatus status = -1;
    std::vector<nlohmann::json> events;  // one for each line that is JSON
    std::string out, err;

    // The last event, {"event":"done",...}; null if there is none.
    nlohmann::json done() const;
    std::string describe() const;
  };
  // `handoff ARGUMENTS --json` against this supervisor.
  Outcome command(std::vector<std::string> arguments) const;
  // arguments follow the "--". Flags are for `handoff upgrade`.
  Outcome upgrade(const std::string& binary, const std::vector<std::string>& arguments = {},
                  const std::vector<std::string>& flags = {}) const;
  // The same of `handoff plan`.
  Outcome plan(const std::string& binary, const std::vector<std::string>& arguments = {},
               const std::vector<std::string>& flags = {}) const;
  // The service's object of `handoff status --json`; null if there is none (yet).
  nlohmann::json status() const;
  // Asks until it is so: each question is a process of its own, and waits for its answer. Returns
  // the answer; throws with it if it never is so.
  nlohmann::json wait_for_status(const std::function<bool(const nlohmann::json&)>& so,
                                 Deadline deadline = Deadline::in(std::chrono::seconds(20))) const;

  // Until the donors of earlier upgrades have gone: an upgrade is over before its donor has exited,
  // and a donor that has retired gives way to everybody else.
  void settle() const;

  int port(const std::string& listener = "public") const;
  pid_t pid() const { return process_->pid(); }
  pid_t service_pid() const;
  Process& process() { return *process_; }

  // SIGKILL to the supervisor alone; what it has started lives on, and is ended by the destructor.
  void kill();
  // Closes the pipes that supervisors that are dead by now have left to their services.
  void close_old_output() { dead_.clear(); }
  // `handoff run` once more, as it was or with another environment; waits until the service runs.
  void start_again();
  // wrapper: a command that the rest is appended to, and that executes it.
  void start_again(std::map<std::string, std::string> environment,
                   std::vector<std::string> wrapper = {});
  // For start_again(): somebody has changed the configuration.
  void set_command(std::vector<std::string> command) { options_.command = std::move(command); }
  const std::string& name() const { return options_.name; }
  // What goes into the environment of a program that should find this supervisor.
  std::map<std::string, std::string> environment() const;

 private:
  Outcome try_or_do(const char* what, const std::string& binary,
                    const std::vector<std::string>& arguments,
                    const std::vector<std::string>& flags) const;
  std::vector<std::string> run_command(const Options& options) const;
  std::map<std::string, std::string> run_environment() const;
  void wait_until_running();

  TempDir runtime_dir_;
  Options options_;
  std::unique_ptr<Process> process_;
  std::vector<std::unique_ptr<Process>> dead_;  // their services still write to their pipes
  std::vector<handoff::UniqueFd> orphans_;
};

}  // namespace test
