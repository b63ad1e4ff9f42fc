// What a donor leaves out of a handoff: what it has and the heir's release does not claim, as far
// as the operator allows it. The donor knows the claims before it says Hello, and what it leaves
// out is in none of its messages. So its heir, of whatever library, sees a donor that never had it.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "libhandoff/core/manifest.h"

namespace handoff::core {

// Without a leave to do so nothing is left out, and what is not claimed is refused.
struct MayLeaveOut {
  bool listeners = false;
  bool sections = false;  // and regions, and named fds that are no listeners
  bool sessions = false;  // kinds of sessions: those that there are stay with the donor
  friend bool operator==(const MayLeaveOut&, const MayLeaveOut&) = default;
};

// The numbers are those of Sort in handoff.proto.
enum class Sort : std::uint8_t {
  kListener = 0,
  kFd = 1,
  kSection = 2,
  kRegion = 3,
  kSessions = 4,
};

struct LeftOut {
  Sort sort = Sort::kListener;
  std::string name;
  std::uint64_t sessions = 0;  // of the kind, that stay with the donor
  friend bool operator==(const LeftOut&, const LeftOut&) = default;
};
// "listener 'admin'".
std::string describe(const LeftOut& one);

struct Leaving {
  std::set<std::string> named;
  std::vector<bool> kinds;          // of the donor's manifest; empty if there are none
  std::vector<std::uint32_t> wire;  // the number of each of them in what is left, likewise
  std::vector<LeftOut> all;         // of both, in the order of the manifest

  bool has(const std::string& name) const { return named.contains(name); }
  bool has_kind(std::uint32_t kind) const { return kind < kinds.size() && kinds[kind]; }
  // The number of a kind of the donor's in its Hello.
  std::uint32_t on_wire(std::uint32_t kind) const { return kind < wire.size() ? wire[kind] : kind; }
};

// claims: the heir's manifest. One without any names is of a release that does not say which
// listeners it claims: it gets all.
Leaving leaving(const Manifest& donor, const Manifest& claims, MayLeaveOut may);
// What the donor says Hello with.
Manifest without(Manifest donor, const Leaving& leaving);
// For the donor's kinds the versions that were found for those in its Hello; 0 for what is left
// out.
std::vector<std::uint32_t> versions_of_all(const std::vector<std::uint32_t>& found,
                                           const Leaving& leaving);

}  // namespace handoff::core
