// Many upgrades in a row, back and forth between two releases, on busy connections: what the last
// of them leave must be what the first of them left.
#pragma once

#include <cstddef>

#include "cell.h"

namespace chaos {

// True if nothing was lost and nothing has grown; prints how it goes.
bool soak(Service service, std::size_t upgrades, std::size_t sessions);

}  // namespace chaos
