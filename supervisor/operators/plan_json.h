// A plan as `handoff plan --json` prints it, and as the history keeps it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "supervisor/core/plan.h"
#include "supervisor/operators/messages.h"

namespace handoff::supervisor {

// The last event of a plan; "result" is "done" if the upgrade would go through.
nlohmann::json plan_json(const std::string& service, const Plan& plan, const Report& report,
                         const Party& from, const Party& to);
// One line of the history: what was found, without the details.
nlohmann::json plan_record(const nlohmann::json& plan);

}  // namespace handoff::supervisor
