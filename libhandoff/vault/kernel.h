// What the kernel says of a socket that a vault needs to know.
#pragma once

#include <cstdint>
#include <optional>

#include "libhandoff/vault/position.h"

namespace handoff::vault {

// SO_COOKIE: a number that no other socket of this kernel has had. nullopt: fd is no socket.
std::optional<std::uint64_t> cookie_of(int fd);

enum class Transport : std::uint8_t { kTcpStream, kUnixStream, kNeither };
Transport transport_of(int fd);

// How far a TCP connection has come: read until two readings agree, since under traffic they may
// not. nullopt: fd is none, or 1,000 readings never agree.
std::optional<Position> position_at(int fd);
// Of a connection that was just accepted, and of which nobody has read or written a byte: cheaper.
std::optional<Position> position_at_start(int fd);

}  // namespace handoff::vault
