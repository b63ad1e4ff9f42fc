// Where this program lies on the disk.
#pragma once

#include <string>

namespace handoff::supervisor {

// "/usr/bin/handoff": where this program was run from.
std::string own_path();

// The path by which this program was started, which may be a link that leads elsewhere by now.
std::string started_path();

}  // namespace handoff::supervisor
