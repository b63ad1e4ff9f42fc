// What is known of a failpoint before it is tried: how far the handoff has come when it is passed,
// and what must be done so that it is passed at all.
#pragma once

#include <string>
#include <string_view>

#include "cell.h"

namespace chaos {

// How far the handoff is, as the fault table (libhandoff/protocol/PROTOCOL.md) divides it.
enum class Phase {
  kAsked,     // somebody has asked for it, and nothing has begun
  kBefore,    // the heir has not been passed the listeners
  kCopy,      // it has them, and not yet every session
  kCopied,    // it has had each of them once; Prepare is not complete
  kPrepared,  // Prepare is with the heir, Release not
  kReleased,  // Release is with the heir, and nobody has taken the deed
  kOwned,     // the heir has taken it
  // Upgrades that fail, or that somebody has died or hung in already.
  kGivingUp,   // the heir was released and hangs; the donor is about to take the deed
  kTakenBack,  // it has taken it, and is frozen still; the heir does not know it
  kFailed,     // the donor serves on, and the heir knows that it must go
  kKeeping,    // the donor died in mid-copy; the heir keeps what it can
  kStopping,   // `handoff stop` came meanwhile
};

// What leads to the point, when an upgrade that succeeds does not: done once, when the process
// passes the point `at`.
struct Provocation {
  enum class Act {
    kNone,
    kError,   // that fails (EIO)
    kStopIt,  // that process hangs
    kKillIt,  // that process dies
    kHold,    // that process waits there until the strike
    kDelay,   // or for longer than the freeze budget
    kStop,    // it waits there, and somebody says `handoff stop`
  };
  Act act = Act::kNone;
  std::string_view at;
};

struct Point {
  std::string_view name;
  // The process that is not at the point runs on, so it may be further than the one that is.
  Phase earliest = Phase::kBefore;
  Phase latest = Phase::kBefore;
  Provocation provocation;
  bool uncounted = false;  // the supervisor does not yet know how many sessions there are
  bool sections = false;   // passed only by a service that has sections
  // Whoever passes it has said that it serves, or that nothing is left with it. The other may have
  // said the same, and then the upgrade is over.
  bool said = false;
  // Whoever passes it has said that the handoff failed. If the heir has gone that was the donor,
  // the upgrade may be over, and the donor serves: until it is struck.
  bool gave_up = false;

  bool on(Service service) const { return !sections || service == Service::kKv; }
};

// nullptr if the table does not know it.
const Point* find_point(std::string_view name);

}  // namespace chaos
