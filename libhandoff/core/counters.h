// What the kernel counts of a TCP connection from its beginning. A socket whose counters have not
// moved is where it was: nobody has read from it or written to it.
#pragma once

#include <cstdint>

namespace handoff::core {

struct Counters {
  std::uint64_t consumed = 0;  // bytes that the application has read from the socket
  std::uint64_t written = 0;   // bytes that it has written to the socket
  friend bool operator==(const Counters&, const Counters&) = default;
};

}  // namespace handoff::core
