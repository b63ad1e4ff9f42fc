// Runs one cell of the second half: the surrounding comes about, the blow falls, and what is left
// is judged. Then the surrounding passes, and everything must work again.
#pragma once

#include "result.h"
#include "surroundings.h"

namespace chaos {

struct SiegeOptions {
  std::size_t sessions = 24;
  bool log = false;  // keep the log also if nothing is wrong
};

Result run_siege(const Siege& siege, const SiegeOptions& options);

}  // namespace chaos
