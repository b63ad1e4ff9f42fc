#include "supervisor/service/service_policy.h"

#include <algorithm>

namespace handoff::supervisor {

Service::Policy policy_of(const ServiceConfig& config) {
  using Kind = HealthCheck::Kind;
  const Kind kind = config.health.kind;
  return {.name = config.name,
          .restart = config.restart,
          .timeouts = config.timeouts,
          .probation = {.checked = kind != Kind::kNone,
                        .polled = kind != Kind::kNone && kind != Kind::kService,
                        .failures = config.health.failures,
                        .max_errors = config.max_errors,
                        .patience = std::max(config.timeouts.stall, Probation::kLeastPatience)},
          .late = {.policy = config.late,
                   .drain = config.timeouts.drain,
                   .max_generations = config.max_generations},
          .children = config.children,
          .vault = config.recoveries};
}

}  // namespace handoff::supervisor
