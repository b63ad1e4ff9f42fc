// Two releases that do not claim the same: an upgrade from the one to the other, and the way back,
// with all that either has. The core decides what is left out, what is refused and what goes under
// which number; the shells around it are played here, and may have bugs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "supervisor/core/unclaimed.h"

namespace handoff::simulation {

// Bugs of the shells, seeded one at a time.
enum class ClaimBug : std::uint8_t {
  kNone,
  kNumbersAsBefore,    // records keep the numbers of the donor's own kinds
  kVersionsAsFound,    // versions of the Hello's kinds are taken for those of the donor's
  kWholeHello,         // the donor says Hello with all that it has
  kLeavesAnyway,       // the donor leaves out what it may not
  kForgetsToSay,       // a section is left out, and nobody is told
  kKindWithoutNames,   // the heir's names are not told to the donor
  kKindsAlone,         // the donor leaves out kinds, and passes all listeners
  kLinkWithoutNames,   // LinkHello does not say the names
  kBackAsForward,      // a release that goes back by itself is held to the policy
  kClosesOnProbation,  // the supervisor closes a listener that somebody may go back to
  kKeepsToItself,      // the supervisor keeps a listener from a release that claims it
};
inline constexpr int kClaimBugs = 12;
const char* name(ClaimBug bug);

// What a release has and claims beside the listener "public" and the kind "session".
struct ReleaseShape {
  bool admin = false;       // another listener
  bool hosts = false;       // a kind for each listener
  bool bulk = false;        // another kind, declared before the others
  bool rooms = false;       // a section
  bool index = false;       // a region
  bool log = false;         // an fd
  bool names_none = false;  // it does not say which fds it claims
};
inline constexpr unsigned kShapes = 1U << 7;
ReleaseShape shape(unsigned bits);
std::string describe(const ReleaseShape& release);

// From older to newer and back, with sessions of each kind. What goes wrong; nullopt if nothing
// does.
std::optional<std::string> upgrade_and_go_back(const ReleaseShape& older, const ReleaseShape& newer,
                                               const supervisor::UnclaimedPolicy& policy,
                                               ClaimBug bug);

}  // namespace handoff::simulation
