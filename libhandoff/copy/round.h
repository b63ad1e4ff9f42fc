// The rounds of a copy, and what both sides have agreed on for it.
//
// The first round sends everything, the next ones what has changed since. The last one is sent in
// the freeze: the delta. In each round the order is: named fds, regions and the ring (the first
// round alone), sessions, chunks of sections, the end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libhandoff/core/leaving.h"
#include "libhandoff/core/types.h"
#include "libhandoff/core/unmovable.h"

namespace handoff::io {

enum class Round : std::uint8_t { kFirst, kAgain, kFrozen };

// What both Hellos have come to. All lines of a handoff have the same.
struct Terms {
  std::vector<std::uint32_t> versions;  // in which each own kind travels; 0: it stays here
  bool ring_sessions = false;           // the heir takes Sessions that lie in the ring
  bool heir_looks = false;              // and sessions at whose sockets this side has not looked
  std::uint32_t spread = 0;             // progressive: permille of the sessions that move; 0: all
  core::Leaving leaving = {};           // what the heir's release does not claim
  std::string no_stay =
      {};               // why sessions of a kind that is left out can't stay here; "": they can
  bool tails = false;   // the heir takes the tail of an input or output
  bool layers = false;  // and the bytes of a layer
  core::Unmovable unmovable = core::Unmovable::kRefuse;  // what becomes of what can't be moved
  std::string not_late = {};                             // why none of it stays, although it was to
  core::Duration budget = 0;                             // of the freeze
  core::Duration part = 0;                               // of that: for one line
  bool session_fds = false;  // the heir takes sessions with fds of their own
};

}  // namespace handoff::io
