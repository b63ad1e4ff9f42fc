// A service as `handoff status --json` shows it, and as answers name it.
#pragma once

#include <nlohmann/json.hpp>

#include "supervisor/core/service.h"
#include "supervisor/listeners/listeners.h"
#include "supervisor/service/process_table.h"
#include "supervisor/service/service_releases.h"

namespace handoff::supervisor {

// Whether the release that runs has proved itself, and which one is behind it.
nlohmann::json standing_json(const Service& machine, const ServiceReleases& releases);
// All but the sessions and what is told of upgrades.
nlohmann::json status_json(const std::string& name, const Service& machine,
                           const ServiceReleases& releases, const ProcessTable& processes,
                           const Listeners& listeners);

}  // namespace handoff::supervisor
