// The checksum in GroupPrepare: over the bodies of a group's frames, one after the other.
#pragma once

#include <cstdint>
#include <string_view>

#include "libhandoff/sys/memory.h"

namespace handoff::io {

inline std::uint64_t add_checksum(std::uint64_t before, std::string_view body) {
  return checksum({reinterpret_cast<const char*>(&before), sizeof before}, body, {});
}

}  // namespace handoff::io
