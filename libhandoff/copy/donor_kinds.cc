#include "libhandoff/copy/donor_kinds.h"

#include <algorithm>
#include <string>

#include "libhandoff/core/negotiation.h"

namespace handoff::io {
namespace {

Failure malformed(std::string text) { return fail(HANDOFF_ERR_PROTOCOL, std::move(text)); }

// A build from before listeners had kinds says "session" for the sessions of all of them.
std::vector<core::Kind>::const_iterator of_the_only_listener(const core::Manifest& donor,
                                                             const core::Kind& kind,
                                                             const std::vector<core::Kind>& ours) {
  const auto has_listener = [](const core::Kind& k) { return !k.listener.empty(); };
  const bool meant = kind.name == "session" && kind.listener.empty() &&
                     std::none_of(donor.kinds.begin(), donor.kinds.end(), has_listener) &&
                     std::count_if(ours.begin(), ours.end(), has_listener) == 1;
  return meant ? std::find_if(ours.begin(), ours.end(), has_listener) : ours.end();
}

std::optional<std::uint32_t> session_kind(const core::Manifest& here, const core::Manifest& donor,
                                          const core::Kind& donors) {
  const auto& all = here.kinds;
  auto it = of_the_only_listener(donor, donors, all);
  if (it == all.end()) {
    const core::Kind* const same = core::find_kind(here, donors);
    if (same == nullptr) return std::nullopt;
    it = all.begin() + (same - all.data());
  }
  return static_cast<std::uint32_t>(it - all.begin());
}

}  // namespace

Result<std::vector<DonorKind>> map_kinds(const Registry& registry, const core::Manifest& donor,
                                         const std::vector<std::uint32_t>& versions) {
  std::vector<DonorKind> kinds;
  const core::Manifest here{.kinds = registry.kinds_on_the_wire(), .knows_listeners = true};
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
      const auto ours = session_kind(here, donor, kind);
      if (!ours) return malformed("kind " + core::own_name(kind) + "?");
      mapped.ours = *ours;
    }
    kinds.push_back(mapped);
  }
  return kinds;
}

}  // namespace handoff::io
