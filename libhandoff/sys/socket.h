// Sockets: bind an address, tell what a socket is, read the kernel's byte counters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/core/address.h"
#include "libhandoff/core/bind_options.h"
#include "libhandoff/core/counters.h"

namespace handoff::io {

// A bound socket, close-on-exec and non-blocking; it listens, unless it is UDP. A Unix socket that
// a dead listener left behind is replaced; one on which a process listens is -EADDRINUSE.
Result<UniqueFd> bind_address(const core::Address& address, const core::BindOptions& options = {});
// Whether bind_address() would succeed, as far as that shows without a trace: this never listens,
// makes or removes no path, and takes no datagram.
Result<void> can_bind(const core::Address& address, const core::BindOptions& options = {});

// Begins to connect, without blocking. The socket is writable once the connection is made or
// refused.
Result<UniqueFd> connect_address(const core::Address& address);

// Where a socket is bound, in the form of core::Address; nullopt if it is no bound socket.
std::optional<std::string> bound_address(int fd);

// The other end of a connected socket, in the form of core::Address; of a Unix socket
// without a name the process that connected it, "process 4711". nullopt if there is nobody.
std::optional<std::string> peer_address(int fd);

// Whether fd is a socket that is bound there (core::is_at()) and, unless it is UDP, listens.
bool listens_at(int fd, const core::Address& address);

// The number of an interface (%2) is its name, as bound_address() has it; one that is not here
// stays.
core::Address with_interface_name(core::Address address);

// Which socket or file an fd is, whatever its number: st_ino and st_dev.
struct Identity {
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  friend bool operator==(const Identity&, const Identity&) = default;
};
Result<Identity> identity_of(int fd);
// Whether the kernel passes it to another process: not an io_uring (unix(7), SCM_RIGHTS).
bool can_be_passed(int fd);

// How many bytes the application has read from and written to a TCP socket since it was connected,
// as the kernel counts: tcpi_bytes_received - SIOCINQ and tcpi_bytes_acked + SIOCOUTQ, read until
// two readings agree. nullopt if fd is no TCP socket, if the connection is gone, or if 1,000
// readings never agree.
std::optional<core::Counters> counters_of(int fd);

// Ends the connection by a reset, whoever else has a duplicate of fd: a process that a dead service
// has started, say. The fd stays open. A socket that is no TCP connection is shut down.
void reset_connection(int fd);
// Ends the sending half of a connection, so that the peer sees its end although another process has
// a duplicate. What is no connection is left alone.
void end_sending(int fd);

}  // namespace handoff::io
