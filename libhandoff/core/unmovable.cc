#include "libhandoff/core/unmovable.h"

namespace handoff::core {

Unmovable in_force(Unmovable wanted, const Means& means) {
  return wanted == Unmovable::kLate && !why_not_late(means).empty() ? Unmovable::kRefuse : wanted;
}

std::string why_not_late(const Means& means) {
  if (!means.holds) {
    return "the old release lacks one of late(), moved(), freeze_session() and thaw_session()";
  }
  return means.heir_links ? "" : "the new release takes no late sessions";
}

bool is_the_releases_fault(std::uint64_t refused, std::uint64_t came) {
  return refused > 0 && (refused >= came || refused > came - refused);
}

}  // namespace handoff::core
