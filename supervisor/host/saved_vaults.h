// The part of a state file that is about vaults: whose keepers there are, and what the machine
// knows of recoveries. Each throws what nlohmann::json throws.
#pragma once

#include <nlohmann/json.hpp>

#include "supervisor/host/saved_state.h"

namespace handoff::supervisor {

nlohmann::json to_json(const SavedListener& listener);
SavedListener listener_from(const nlohmann::json& in);
nlohmann::json to_json(const SavedKeeper& keeper);
SavedKeeper keeper_from(const nlohmann::json& in);

// Nothing where there never was a vault.
void add_vaults(nlohmann::json& out, const SavedService& service);
void read_vaults(const nlohmann::json& in, SavedService& out);

}  // namespace handoff::supervisor
