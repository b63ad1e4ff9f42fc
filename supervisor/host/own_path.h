// Where this program lies on the disk.
#pragma once

#include <string>

namespace handoff::supervisor {

// "/usr/bin/handoff": where this program was run from. One that was verified runs from a copy in
// memory, and its name (argv[0]) is the path of what was copied.
std::string own_path();

}  // namespace handoff::supervisor
