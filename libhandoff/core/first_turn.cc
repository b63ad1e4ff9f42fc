#include "libhandoff/core/first_turn.h"

namespace handoff::core {

std::string why_slow(const std::string& release, Duration took, Duration budget) {
  if (took <= budget) return {};
  return release + " took " + std::to_string(took / 1000) +
         " ms after handoff_wait() before its loop turned. Clients waited for it, and the freeze "
         "budget (" +
         std::to_string(budget / 1000) +
         " ms) does not bound it: do there only what the first answers need";
}

}  // namespace handoff::core
