// The subject of a bench: a service under a real supervisor, upgraded from release to release.
#pragma once

#include <string>
#include <vector>

#include "support/supervisor/supervisor.h"

namespace bench {

namespace test = handoff::test;

// The times of one upgrade, in microseconds.
struct Upgraded {
  double transfer = 0;  // from the first fd sent to Resumed
  double copy = 0;      // from the supervisor's word to the freeze
  double switched = 0;
  double start = 0;
  double retire = 0;
  double blackout_p999 = 0;
  double total = 0;  // of the command, from its start to its exit
  std::uint64_t sent_ns = 0;
  std::uint64_t frozen_ns = 0;
  std::uint64_t running_ns = 0;
  std::uint64_t moved = 0;
};

class Subject {
 public:
  // A program of this build; the options "--release N" are added.
  explicit Subject(std::string program, std::vector<std::string> arguments = {},
                   const std::string& name = "bench");

  int port() const { return supervisor_.port(); }
  // Waits until the donor of the last upgrade has exited: it closes its sockets after the upgrade.
  void settle();
  // Upgrades to the next release once the service has settled; throws with the supervisor's words
  // if that fails.
  Upgraded upgrade();
  // Waits until the status counts so many sessions.
  void wait_for_sessions(std::size_t sessions) const;
  test::Supervisor& supervisor() { return supervisor_; }

 private:
  std::vector<std::string> arguments_for(int release) const;

  std::string program_;
  std::vector<std::string> arguments_;
  int release_ = 1;
  bool settled_ = true;
  test::Supervisor supervisor_;
};

}  // namespace bench
