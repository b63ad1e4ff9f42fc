// What can be said about a configuration without starting anything: whether its programs can be
// executed, its addresses bound, its folders entered, its keys read. Changes nothing.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "supervisor/config/config.h"

namespace handoff::supervisor {

// All that is wrong, by line. held: addresses of the supervisor that runs now, which are in use for
// that reason.
std::vector<ConfigProblem> check_config(const Config& config, const std::set<std::string>& held);

}  // namespace handoff::supervisor
