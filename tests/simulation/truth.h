// What must hold: in every state, in every report, and where a run may end. I1 to I5 are those of
// docs/invariants.md.
#pragma once

#include <optional>
#include <string>

#include "turn.h"

namespace handoff::simulation {

bool donor_touches(const World& world);
bool donor_touches(const World& world, std::size_t session);
bool heir_touches(const World& world);

// The invariant that this state breaks, in words; nullopt if it breaks none.
std::optional<std::string> violation(const World& world, const Setting& setting);
// What is wrong if nothing more happens by itself; a process may hang for ever.
std::optional<std::string> violation_at_end(const World& world);

// Whether the report of an upgrade that is over tells what is true at this moment.
Breach check_report(const World& world, const supervisor::Upgrade& upgrade, bool patient);

}  // namespace handoff::simulation
