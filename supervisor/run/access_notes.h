// The others who may write to what a configuration is about: `check` and the start tell.
#pragma once

#include <string>
#include <vector>

#include "supervisor/config/config.h"

namespace handoff::supervisor {

// file: the configuration's, "" if there is none. state: the state folder. Each with the line of
// what it is about, and what follows.
std::vector<ConfigProblem> access_notes(const Config& config, const std::string& file,
                                        const std::string& state);

}  // namespace handoff::supervisor
