// What becomes of sessions that are still busy when the drain is over.
#pragma once

namespace handoff::supervisor {

enum class LateSessions {
  kMove,   // they move as they are
  kClose,  // they are reset
  kKeep,   // their process stays until they end by themselves
};

}  // namespace handoff::supervisor
