// Files that others write and that are read whole, at once: regular ones alone. A FIFO in the place
// of one would hold up whoever opens it until somebody writes to it, which may be never.
#pragma once

#include <string>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {

// To be read. what is the beginning of the error: "can't read the config handoff.toml".
Result<UniqueFd> open_regular(const std::string& path, const std::string& what);
// All that is in it.
Result<std::string> read_regular(const std::string& path, const std::string& what);

}  // namespace handoff::supervisor
