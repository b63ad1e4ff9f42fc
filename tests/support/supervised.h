// A real `handoff run` in a folder of its own, and the commands that operators give it.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "child.h"

namespace handoff::test::supervised {

class Supervised {
 public:
  explicit Supervised(Environment environment = {});
  // Ends the supervisor in order; what it leaves behind fails the test.
  ~Supervised();

  // `handoff run --name chat --listen public=tcp:127.0.0.1:0 [options] -- fake_service ARGS`, and
  // waits until it runs.
  void start(const std::vector<std::string>& service_args,
             const std::vector<std::string>& options = {});
  // `handoff run` with these arguments; waits for nothing.
  void run(const std::vector<std::string>& arguments);

  // `handoff ARGS`.
  Outcome cli(const std::vector<std::string>& arguments) const;
  std::unique_ptr<Child> cli_start(const std::vector<std::string>& arguments,
                                   const std::string& name) const;
  // `handoff upgrade chat --json OPTIONS -- SERVICE_ARGS`: the status, and every line.
  struct Upgraded {
    int status = -1;
    std::vector<nlohmann::json> events;
    nlohmann::json done;
  };
  Upgraded upgrade(const std::vector<std::string>& service_args,
                   const std::vector<std::string>& options = {}) const;

  nlohmann::json status(const std::string& service = "chat") const;
  bool wait_for_state(const std::string& state, const std::string& service = "chat") const;
  // What it answers on its first listener ("RELEASE GENERATION").
  std::string ask_service() const;
  int port() const;
  std::string log() const { return supervisor_->err() + supervisor_->out(); }
  std::size_t fds() const;  // how many the supervisor has open
  // Until the donors of earlier upgrades have gone: an upgrade is over before its donor has exited.
  void settle() const;
  // How many fds, once it has settled and closed its ends of the commands that were given.
  std::size_t settled_fds() const;
  pid_t pid() const { return supervisor_->pid(); }
  Child& process() { return *supervisor_; }
  Outcome terminate();
  const TempDir& dir() const { return dir_; }
  std::string runtime() const { return dir_ / "run"; }

 private:
  TempDir dir_;
  Environment environment_;
  std::unique_ptr<Child> supervisor_;
  mutable int commands_ = 0;
};

const std::string& handoff_program();
const std::string& fake_service();

// Connects to a TCP port on the loopback; -1 if that is refused.
int connect_to(int port);
// Everything until EOF, at most for that time.
std::string read_all(int fd, std::chrono::milliseconds limit = 5s);

}  // namespace handoff::test::supervised
