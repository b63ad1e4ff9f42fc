// Unpacks a tar (plain, gzip, zstd) that nobody vouches for: nothing outside its folder is touched,
// nothing but plain files, folders and links within it comes out, and what is too much ends early.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace handoff::supervisor {

struct UnpackLimits {
  std::uint64_t bytes = 4ULL << 30;  // of all files together
  std::size_t entries = 20000;       // files, folders, links
  std::size_t path = 1024;
};

// The archive is read from fd, from its beginning; folder is open and empty. Everything is on the
// disk when it returns; after an error some of it is there, for the caller to remove. Modes are
// 0755 or 0644, owners the caller.
Result<void> unpack(int fd, int folder, const UnpackLimits& limits);

// By its first bytes.
bool is_archive(int fd);

}  // namespace handoff::supervisor
