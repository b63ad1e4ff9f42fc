// A service with a vault whose process is killed at random moments, again and again, while clients
// come and go: each byte that they get is checked, and none of them may notice more than a pause.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cell.h"

namespace chaos {

struct VaultOptions {
  Service service = Service::kEcho;
  std::size_t kills = 300, sessions = 24;
  std::uint64_t seed = 0;  // of the moments
};

// True if nobody lost anything; prints how it goes.
bool kill_with_vault(const VaultOptions& options);

}  // namespace chaos
