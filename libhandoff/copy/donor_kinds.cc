#include "libhandoff/copy/donor_kinds.h"

#include <algorithm>
#include <string>

namespace handoff::io {
namespace {

Failure malformed(std::string text) { return fail(HANDOFF_ERR_PROTOCOL, std::move(text)); }

}  // namespace

Result<std::vector<DonorKind>> map_kinds(const Registry& registry, const core::Manifest& donor,
                                         const std::vector<std::uint32_t>& versions) {
  std::vector<DonorKind> kinds;
  for (std::size_t i = 0; i < donor.kinds.size(); ++i) {
    const core::Kind& kind = donor.kinds[i];
    DonorKind mapped{.version = versions[i], .section = kind.section, .region = kind.region};
    if (mapped.version == 0) {  // it stays with the donor
      if (const Region* const ours = registry.find_region(kind.name); kind.region && ours) {
        mapped.ours = static_cast<std::uint32_t>(ours - registry.regions.data());
      }
      kinds.push_back(mapped);
      continue;
    }
    const auto same = [&](const auto& ours) { return ours.name == kind.name; };
    if (kind.region) {
      const Region* const ours = registry.find_region(kind.name);
      if (ours == nullptr) return malformed("region " + kind.name + "?");
      mapped.ours = static_cast<std::uint32_t>(ours - registry.regions.data());
    } else if (kind.section) {
      const auto it = std::find_if(registry.sections.begin(), registry.sections.end(), same);
      if (it == registry.sections.end()) return malformed("section " + kind.name + "?");
      mapped.ours = static_cast<std::uint32_t>(it - registry.sections.begin());
    } else {
      const auto it = std::find_if(registry.kinds.begin(), registry.kinds.end(), same);
      if (it == registry.kinds.end()) return malformed("kind " + kind.name + "?");
      mapped.ours = static_cast<std::uint32_t>(it - registry.kinds.begin());
    }
    kinds.push_back(mapped);
  }
  return kinds;
}

}  // namespace handoff::io
