// How much a bundle may hold.
#pragma once

#include <cstddef>
#include <cstdint>

namespace handoff::supervisor {

struct UnpackLimits {
  std::uint64_t bytes = 4ULL << 30;  // of all files together
  std::size_t entries = 20000;       // files, folders, links
  std::size_t path = 1024;
};

}  // namespace handoff::supervisor
