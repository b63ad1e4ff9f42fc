// A plan laid out for reading: what would change, for how many, how long, at what price; what
// stands in the way; and at last, in one sentence, what it would do to the users.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace handoff::supervisor {

std::string plan_report(const nlohmann::json& plan);

}  // namespace handoff::supervisor
