// The path by which this program was started.
#pragma once

#include <string>

namespace handoff::supervisor {

// The path by which this program was started, which may be a link that leads elsewhere by now.
std::string started_path();

}  // namespace handoff::supervisor
