// The scene of a siege: a supervisor with the service that is struck and another one beside it, and
// the clients of both. A siege waits for anything only here, so that its clients go on.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cell.h"
#include "stage.h"
#include "support/process/certificate.h"
#include "support/process/process.h"
#include "support/supervisor/supervisor.h"
#include "traffic.h"

namespace chaos {

// A service under test. Its releases are files of its own, which may be moved and written to.
struct Tested {
  Service service;
  std::string name;
  std::string one, two;  // paths of its releases
  std::vector<std::string> arguments = {};
  std::optional<Traffic> traffic = {};
  Tally gone = {};  // of traffic that is over

  Tally tally() const;
};

class Scene {
 public:
  explicit Scene(Service service);

  // `handoff run`, with the configuration of both services and more_config; may be called again
  // when the supervisor has died. Returns at once.
  void start();
  // Brings so many clients to the service, on the address that it has now.
  void connect(Tested& to, std::size_t residents, bool visitors);
  // Until all of its clients have had an answer to something new, and new ones as well.
  void expect_served(Tested& by);
  // The clients find out that they were cut off.
  void expect_all_cut(Tested& of);

  template <class Condition>
  void require(const Condition& condition, const std::string& what,
               std::chrono::milliseconds within = kPatience) {
    const auto until = Clock::now() + within;
    while (!condition()) {
      if (Clock::now() >= until) throw Problem{what};
      turn();
    }
  }
  // The service's object of `handoff status --json`; {} if nobody answers.
  nlohmann::json status(const Tested& of);
  // The object once `so` is true of it.
  nlohmann::json await(const Tested& of, const std::function<bool(const nlohmann::json&)>& so,
                       const std::string& what);
  // Until no process is leaving, and the copy of the release is made, or can't be.
  nlohmann::json settle(const Tested& of);
  // The object that `handoff status --json` prints: it has drift as well.
  nlohmann::json printed_status(const Tested& of);

  // `handoff ARGUMENTS`, to its end.
  test::Outcome command(std::vector<std::string> arguments);
  test::Outcome finish(test::Process& command);
  // An upgrade that must succeed and lose nobody; its last line.
  nlohmann::json upgrade(Tested& what, const std::string& path,
                         const std::vector<std::string>& flags = {});

  std::string path(const std::string& name) const { return supervisor.dir() / name; }
  std::string log() const { return more_log + supervisor.log(); }

  test::Supervisor supervisor;  // its folder has the files of the services
  Tested struck, beside;
  std::string top_config;         // keys of the supervisor, before all tables
  std::string more_config;        // tables of further services
  test::Environment environment;  // of the supervisor
  std::string more_log;           // what it said elsewhere
  std::function<void()> on_turn;
  std::size_t upgrades_done = 0;

 private:
  void turn();
  std::string table(const Tested& of) const;

  std::optional<test::Certificate> certificate_;
};

// The last line of a command's output, if it is JSON; else {}.
nlohmann::json last_line(const test::Outcome& outcome);
// The release of the service whose very bytes the process runs: "1.0", "2.0", or "".
std::string release_that_runs(const Tested& of, const nlohmann::json& pid);
void copy_program(Service service, int release, const std::string& to);

}  // namespace chaos
