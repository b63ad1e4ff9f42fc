// Looks after the process whose release is on probation: whether it is well, by the check that is
// configured; how many sessions it has, should it die; and by that question, whether it answers.
#pragma once

#include <functional>

#include "supervisor/listeners/listeners.h"
#include "supervisor/processes/health.h"
#include "supervisor/processes/service_process.h"

namespace handoff::supervisor {

class TrialWatch {
 public:
  static constexpr Duration kCensusEvery = std::chrono::seconds(1);

  // census: asks the process on trial for its sessions.
  TrialWatch(uv_loop_t* loop, const HealthCheck& check, HealthWatch::Heard heard,
             std::function<void()> census);

  // The process on trial; null if nobody is.
  void watch(const Process* process, const HealthCheck& check, const Listeners& listeners);
  void set_check(const HealthCheck& check) { health_.set_check(check); }
  // A child ended. false: it was not the check's.
  bool ended(pid_t pid, const Exit& exit) { return health_.ended(pid, exit); }

 private:
  HealthWatch health_;
  std::function<void()> census_;
  Generation counting_ = 0;  // 0: nobody
  Timer timer_;
};

}  // namespace handoff::supervisor
