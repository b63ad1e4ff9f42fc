// How much a TCP socket was given to send, as the kernel counts it: the position guard's other
// half.
#pragma once

#include <cstdint>

#include "libhandoff/base/result.h"

namespace handoff::tls {

// Borrows fd. The number at which the kernel begins is its own affair: compare two readings of one
// socket. A FIN that was sent counts 1. -EOPNOTSUPP for anything but TCP: a Unix socket counts
// nothing, so a stale state would go unseen there, and TLS on it does not move.
Result<std::uint64_t> written_to(int fd);

}  // namespace handoff::tls
