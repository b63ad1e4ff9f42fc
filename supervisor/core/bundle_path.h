// Paths in a bundle: what is not a plain way down is refused.
#pragma once

#include <string>
#include <vector>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

// The file by which handoff knows the folders that it has unpacked. No bundle may bring a file
// whose name begins with it.
inline constexpr const char* kReleaseMarker = ".handoff-release";

// The parts of a path in a bundle; an error says why such a path is not unpacked. "." parts are
// left out, so the root itself has none.
Result<std::vector<std::string>> bundle_path(const std::string& path, std::size_t longest);

}  // namespace handoff::supervisor
