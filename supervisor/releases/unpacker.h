// Unpacks bundles in a process of its own (the program handoff-unpack, see unpack/): the reader of
// archives, and the libraries that it brings, are not in the process that holds everybody's
// sockets; neither their memory nor their mistakes.
#pragma once

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "supervisor/unpack/limits.h"

namespace handoff::supervisor {

// The program, which lies beside the supervisor's own, or in the libexec folder that belongs to it.
Result<UniqueFd> open_unpacker();
// Opens it now. What is unpacked later is unpacked by the program of the same installation as this
// supervisor, whatever has come to lie there meanwhile.
Result<void> hold_unpacker();

// The archive is read from fd, from its beginning; folder is open and empty. What is unpacked,
// refused and how: unpack/unpack.h. Waits until all is done, and nobody can write there any more.
Result<void> unpack_bundle(int fd, int folder, const UnpackLimits& limits);
// By that program.
Result<void> unpack_bundle_with(int program, int fd, int folder, const UnpackLimits& limits);

}  // namespace handoff::supervisor
