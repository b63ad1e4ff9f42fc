// What a service and its supervisor hold. A failed upgrade leaves nothing behind (invariant I5,
// docs/invariants.md), so tests take this before one and compare it afterwards.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

#include "support/supervisor/supervisor.h"

namespace handoff::test {

class Footprint {
 public:
  explicit Footprint(const Supervisor& supervisor);

  // The service has the same files open, and the supervisor none that it did not have.
  void expect_unchanged() const;
  pid_t service_pid() const { return service_pid_; }

 private:
  using Files = std::multiset<std::string>;

  const Supervisor& supervisor_;
  pid_t service_pid_;
  Files supervisor_files_, service_;
};

// Expects that the upgrade was refused or has failed, for this cause, with advice in its message.
void expect_failed(const Supervisor::Outcome& upgrade, const std::string& code,
                   const std::vector<std::string>& words);

}  // namespace handoff::test
