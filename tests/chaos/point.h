// What is known of a failpoint before it is tried: how far the handoff has come when a process
// passes it, and how to make a process pass it at all.
#pragma once

#include <string>
#include <string_view>

#include "cell.h"

namespace chaos {

// How far the handoff is, as the fault table (libhandoff/protocol/PROTOCOL.md) divides it.
enum class Phase {
  kAsked,     // an upgrade is asked for, and nothing has begun
  kBefore,    // the heir has not been passed the listeners
  kCopy,      // the heir has the listeners, and not yet every session
  kCopied,    // the heir has had each session once; Prepare is not complete
  kPrepared,  // Prepare is with the heir, Release not
  kReleased,  // Release is with the heir, and nobody has taken the ownership word
  kOwned,     // the heir has taken it
  // Upgrades that fail, or in which a process has died or hung already.
  kGivingUp,   // the heir was released and hangs; the donor is about to take the ownership word
  kTakenBack,  // the donor has taken it, and is still frozen; the heir does not know it
  kFailed,     // the donor serves on, and the heir knows that it must go
  kKeeping,    // the donor died in mid-copy; the heir keeps what it can
  kStopping,   // `handoff stop` came meanwhile
};

// What makes a process pass a point that a successful upgrade does not pass. It is done once, when
// the process passes the point `at`.
struct Provocation {
  enum class Act {
    kNone,
    kError,   // the operation there fails (EIO)
    kStopIt,  // that process hangs
    kKillIt,  // that process dies
    kHold,    // that process waits there until the strike
    kDelay,   // that process waits there for longer than the freeze budget
    kStop,    // that process waits there, and the operator says `handoff stop`
  };
  Act act = Act::kNone;
  std::string_view at;
};

struct Point {
  std::string_view name;
  // How far the handoff may be: the other process does not wait at the point, so it may be further.
  Phase earliest = Phase::kBefore;
  Phase latest = Phase::kBefore;
  Provocation provocation;
  bool uncounted = false;  // the supervisor does not yet know how many sessions there are
  bool sections = false;   // passed only by a service that has sections: TLS has its ticket keys
  // The process that passes the point has said that it serves, or that nothing is left with it. If
  // the other has said the like, the upgrade is over.
  bool said = false;
  // The process that passes the point has said that the handoff failed. If that is the donor and
  // the heir has gone, the upgrade may be over, and the donor serves until it is struck.
  bool gave_up = false;

  bool on(Service service) const { return !sections || service != Service::kEcho; }
};

// nullptr if the table does not know it.
const Point* find_point(std::string_view name);

}  // namespace chaos
