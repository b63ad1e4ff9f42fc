#include "libhandoff/handoff/progressive.h"

#include <string>
#include <utility>

namespace handoff::io {

std::optional<core::Reason> not_progressive(const Registry& registry, std::uint32_t spread) {
  if (spread == 0) return std::nullopt;
  const auto no = [](std::string why) {
    return core::Reason{core::Code::kRejected, "a progressive upgrade needs " + std::move(why)};
  };
  if (registry.lanes > 1) return no("a service with one lane");
  if (!registry.can_hold()) return no("a service with the callbacks for late sessions");
  if (registry.told.used()) {
    return no(
        "a service whose states are at hand at any moment: this one puts them "
        "(handoff_session_put())");
  }
  if (!registry.sections.empty()) {
    return no("a service without sections: '" + registry.sections[0].name +
              "' is shared by all sessions");
  }
  if (!registry.regions.empty()) {
    return no("a service without regions: '" + registry.regions[0].name() +
              "' is shared by all sessions");
  }
  for (const auto& [id, entry] : registry.sessions) {
    if (!entry.independent) {
      return no("sessions that share nothing; " + registry.describe(id, entry.kind) +
                " is not declared independent");
    }
  }
  return std::nullopt;
}

}  // namespace handoff::io
