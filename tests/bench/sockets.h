// TCP on the loopback, and the limit of fds.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "libhandoff/base/unique_fd.h"

namespace bench {

// Listens on a port that the kernel chooses.
handoff::UniqueFd listen_tcp(int& port);
// A blocking connection to 127.0.0.1, without Nagle; closing it sends a reset, so that a bench
// leaves no thousands of TIME_WAIT behind.
handoff::UniqueFd connect_tcp(int port);
void set_nonblocking(int fd);
void no_delay(int fd);

// Raises the soft limit to the hard one, which it returns.
std::size_t raise_fd_limit();
// Why a process on this machine can't have so many connections; "" if it can.
std::string too_many(std::size_t sessions);

}  // namespace bench
