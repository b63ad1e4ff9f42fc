#include "libhandoff/core/leaving.h"

#include <algorithm>

#include "libhandoff/core/negotiation.h"

namespace handoff::core {
namespace {

bool names(const Manifest& in, const std::string& name) {
  return std::any_of(in.named.begin(), in.named.end(),
                     [&](const Named& named) { return named.name == name; });
}

Sort sort_of(const Named& named) { return named.address.empty() ? Sort::kFd : Sort::kListener; }
Sort sort_of(const Kind& kind) {
  return kind.section ? Sort::kSection : kind.region ? Sort::kRegion : Sort::kSessions;
}

bool may_be_left(Sort sort, MayLeaveOut may) {
  switch (sort) {
    case Sort::kListener:
      return may.listeners;
    case Sort::kSessions:
      return may.sessions;
    case Sort::kFd:
    case Sort::kSection:
    case Sort::kRegion:
      break;
  }
  return may.sections;
}

// The sessions of a listener that the heir lacks are not those of another one: a release that has
// no kinds of listeners would take them for its kind "session".
bool is_claimed(const Kind& kind, const Manifest& claims) {
  const Kind* const other = find_kind(claims, kind);
  if (other == nullptr) return false;
  return own_name(*other) == own_name(kind) || claims_listener(claims, kind.listener);
}

}  // namespace

std::string describe(const LeftOut& one) {
  switch (one.sort) {
    case Sort::kListener:
      return "listener '" + one.name + "'";
    case Sort::kSection:
      return "section '" + one.name + "'";
    case Sort::kRegion:
      return "region '" + one.name + "'";
    case Sort::kSessions:
      return "session kind '" + one.name + "'";
    case Sort::kFd:
      break;
  }
  return "the fd '" + one.name + "'";
}

Leaving leaving(const Manifest& donor, const Manifest& claims, MayLeaveOut may) {
  Leaving out;
  if (donor.service != claims.service) return out;  // nothing of it would go over anyway
  for (const Named& named : donor.named) {
    const Sort sort = sort_of(named);
    if (claims.named.empty() || names(claims, named.name) || !may_be_left(sort, may)) continue;
    out.named.insert(named.name);
    out.all.push_back({sort, named.name});
  }
  std::uint32_t left = 0;
  for (const Kind& kind : donor.kinds) {
    const bool leaves = !is_claimed(kind, claims) && may_be_left(sort_of(kind), may);
    out.kinds.push_back(leaves);
    out.wire.push_back(left);
    if (leaves) {
      out.all.push_back({sort_of(kind), own_name(kind)});
    } else {
      ++left;
    }
  }
  return out;
}

Manifest without(Manifest donor, const Leaving& leaving) {
  std::erase_if(donor.named, [&](const Named& named) { return leaving.has(named.name); });
  std::uint32_t i = 0;
  std::erase_if(donor.kinds, [&](const Kind&) { return leaving.has_kind(i++); });
  return donor;
}

std::vector<std::uint32_t> versions_of_all(const std::vector<std::uint32_t>& found,
                                           const Leaving& leaving) {
  if (leaving.kinds.empty()) return found;
  std::vector<std::uint32_t> out;
  out.reserve(leaving.kinds.size());
  for (std::uint32_t i = 0; i < leaving.kinds.size(); ++i) {
    out.push_back(leaving.has_kind(i) ? 0 : found.at(leaving.on_wire(i)));
  }
  return out;
}

}  // namespace handoff::core
