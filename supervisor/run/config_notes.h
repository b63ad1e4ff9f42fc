// What is not wrong with a configuration, and good to know before it matters.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "supervisor/config/config.h"

namespace handoff::supervisor {

// By line. state is the state folder, "" if there is none; services are those in the status of the
// supervisor that runs, if one does.
std::vector<ConfigProblem> config_notes(const Config& config, const std::string& state,
                                        const nlohmann::json& services);

}  // namespace handoff::supervisor
