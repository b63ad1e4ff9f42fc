// Where this program lies on the disk.
#pragma once

#include <string>

namespace handoff::supervisor {

// "/usr/bin/handoff": where this program was run from.
std::string own_path();

}  // namespace handoff::supervisor
