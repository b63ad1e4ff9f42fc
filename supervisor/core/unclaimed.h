// What is done with what a process has and the release that follows does not claim: listeners,
// sections, kinds of sessions.
//
// Forward, what the operator has said nothing about is refused: a release that forgets a section
// would lose its data. Back, it is left out: the release before never had it, and its sessions are
// worth more. A service that goes back by itself refuses nothing, since it would be ended for it.
// Nor does one that recovers: it has died already.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/core/leaving.h"
#include "libhandoff/core/unmovable.h"

namespace handoff::supervisor {

struct UnclaimedPolicy {
  enum class Listeners : std::uint8_t {
    kKeep,   // bound, for the next release that claims them; nobody accepts
    kClose,  // once nobody can go back to a release that claims them
    kRefuse,
  };
  enum class Sections : std::uint8_t { kDrop, kRefuse };
  enum class Sessions : std::uint8_t { kLate, kRefuse };  // kLate: they stay until they end
  std::optional<Listeners> listeners;
  std::optional<Sections> sections;  // and regions, and named fds that are no listeners
  std::optional<Sessions> sessions;
  friend bool operator==(const UnclaimedPolicy&, const UnclaimedPolicy&) = default;
};
// "listeners = close, sections = drop", or "as usual".
std::string describe(const UnclaimedPolicy& policy);

enum class Direction : std::uint8_t { kForward, kBack, kBackByItself, kRecovery };

// What becomes of sessions that can't be moved. A service that goes back by itself would be ended
// for a refusal, with all of its sessions.
core::Unmovable unmovable_for(core::Unmovable wanted, Direction direction);

core::MayLeaveOut may_leave_out(const UnclaimedPolicy& policy, Direction direction);
// A release has given a listener back, or wants it closed: it has not forgotten it. Where that is
// so of each that it does not claim, they may be left out, whatever the policy.
bool gives_all_back(const core::Manifest& donor, const core::Manifest& claims,
                    const std::vector<std::string>& given_back);

// What has become of something that was left out.
enum class Fate : std::uint8_t { kKept, kClosed, kDropped, kLate };
const char* name(Fate fate);
// held: a listener that the supervisor has bound itself. One that the process has bound is closed
// with it, as it was not there before that release came. dropped: the release wants it closed.
Fate fate_of(const core::LeftOut& one, const UnclaimedPolicy& policy, bool held,
             bool dropped = false);
// "listener 'admin' is kept: nobody accepts on it until a release claims it".
std::string tell(const core::LeftOut& one, Fate fate);

// The names of listeners that a release claims; nullopt: nobody knows. A release that names none
// does not say what it claims.
using Claims = std::optional<std::vector<std::string>>;
bool claims(const Claims& release, const std::string& listener);
// Of the listeners that the supervisor has those that are to be closed now. permanent: nobody goes
// back from the release that runs by itself. drops: those that it wants closed whatever the policy.
std::vector<std::string> to_close(const UnclaimedPolicy& policy,
                                  const std::vector<std::string>& here, const Claims& runs,
                                  bool permanent, const std::vector<std::string>& drops = {});

}  // namespace handoff::supervisor
