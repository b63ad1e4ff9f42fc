// What the kernel counts of a TCP connection, from its beginning: a socket is known by both.
#pragma once

#include <cstdint>

namespace handoff::core {

struct Counters {
  std::uint64_t consumed = 0;  // bytes that were read from it
  std::uint64_t written = 0;   // bytes that were written into it
  friend bool operator==(const Counters&, const Counters&) = default;
};

}  // namespace handoff::core
