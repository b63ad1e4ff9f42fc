// A service as `handoff status --json` shows it, and as answers name it.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "supervisor/config/config.h"
#include "supervisor/core/elsewhere.h"
#include "supervisor/core/service.h"
#include "supervisor/listeners/listeners.h"
#include "supervisor/service/process_table.h"
#include "supervisor/service/service_releases.h"

namespace handoff::supervisor {

// Whether the release that runs has proved itself, and which one is behind it.
nlohmann::json standing_json(const Service& machine, const ServiceReleases& releases);
// Of those that the supervisor has, and those that the process has bound; process: null for none.
// One whose move is under way is not among them.
std::vector<Elsewhere> listeners_elsewhere(const ServiceConfig& config, const Listeners& listeners,
                                           const Process* process);
// All but the sessions and what is told of upgrades.
nlohmann::json status_json(const ServiceConfig& config, const Service& machine,
                           const ServiceReleases& releases, const ProcessTable& processes,
                           const Listeners& listeners);

}  // namespace handoff::supervisor
