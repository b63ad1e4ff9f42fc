// Unpacks a tar (plain, gzip, zstd) that nobody vouches for: nothing outside its folder is touched,
// nothing but plain files, folders and links within it comes out, and what is too much ends early.
#pragma once

#include "libhandoff/base/result.h"
#include "supervisor/unpack/limits.h"

namespace handoff::supervisor {

// The archive is read from fd, from its beginning; folder is open, and holds at most the marker of
// handoff (kReleaseMarker). Everything is on the disk when it returns; after an error some of it is
// there, for the caller to remove. Modes are 0755 or 0644 less the umask, owners the caller.
Result<void> unpack(int fd, int folder, const UnpackLimits& limits);

}  // namespace handoff::supervisor
