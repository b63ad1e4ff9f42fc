// The rehearsal under way: what the two processes find, and the plan that comes of it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "supervisor/config/config.h"
#include "supervisor/core/plan.h"
#include "supervisor/operators/messages.h"
#include "supervisor/releases/release.h"

namespace handoff::supervisor {

class Rehearsal {
 public:
  struct Surroundings {
    std::vector<std::string> held = {};  // listeners that the supervisor has
    std::vector<Elsewhere> elsewhere = {};
    const Release* back = nullptr;  // what one would go back to, if that is not what runs
  };
  Rehearsal(const HandoffRequested& request, const ServiceConfig& config, Surroundings around);

  // Before the new process is started.
  void weigh(pid_t donor);
  void take_findings(bool heir, protocol::Rehearsed findings);
  // last_upgrade: as `status` has it.
  Plan conclude(const std::string& service, const Report& report, const Party& to,
                const nlohmann::json& last_upgrade);

 private:
  PlanFacts facts_;
};

}  // namespace handoff::supervisor
