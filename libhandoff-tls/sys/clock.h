// The clock that all processes of a host share.
#pragma once

#include <time.h>

#include <cstdint>

namespace handoff::tls {

// Of CLOCK_MONOTONIC.
inline std::uint64_t monotonic_s() {
  timespec now{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec);
}

}  // namespace handoff::tls
