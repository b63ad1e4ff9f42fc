// Sockets: binding an address, telling what a socket is, the kernel's byte counters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/core/address.h"
#include "libhandoff/core/counters.h"

namespace handoff::io {

// A bound socket (listening, but for UDP), close-on-exec and non-blocking. A Unix path that a dead
// listener left behind is replaced; one that somebody listens on is EADDRINUSE.
Result<UniqueFd> bind_address(const core::Address& address);
// Whether that would succeed, as far as it can be told without anybody noticing: nothing listens
// for a moment, no path is made or removed, no datagram is taken.
Result<void> can_bind(const core::Address& address);

// Begins to connect, without blocking; writable once it is decided.
Result<UniqueFd> connect_address(const core::Address& address);

// Where a socket is bound, in the form of core::Address; nullopt if it is no bound socket.
std::optional<std::string> bound_address(int fd);

// Whether fd is a socket that is bound there and, but for UDP, listens. Port 0 is any port.
bool listens_at(int fd, const core::Address& address);

// st_ino and st_dev: which socket or file it is, whatever number the fd has.
struct Identity {
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  friend bool operator==(const Identity&, const Identity&) = default;
};
Result<Identity> identity_of(int fd);

// What the application has read from and written to a TCP socket since it was connected, as the
// kernel counts: tcpi_bytes_received - SIOCINQ and tcpi_bytes_acked + SIOCOUTQ, read until two
// readings agree. nullopt if it is no TCP socket (or is gone).
std::optional<core::Counters> counters_of(int fd);

// Makes the next close(2) of the last fd of this socket a reset instead of a FIN.
void reset_on_close(int fd);

}  // namespace handoff::io
