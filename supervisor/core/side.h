// One of the two processes of a handoff: what it has said or how it has ended, and how it is made
// to go if it must: asked to, then SIGTERM, then SIGKILL.
#pragma once

#include <optional>
#include <string>

#include "supervisor/core/effects.h"

namespace handoff::supervisor {

struct Side {
  Generation generation = 0;
  bool gone = false;
  bool must_go = false;
  bool termed = false;
  bool killed = false;
  std::optional<Time> next;  // when the next measure is due
  std::string code;          // what it said, or how it ended
  std::string story;
  bool told = false;    // the story is of its own telling, not how it ended
  bool echoes = false;  // and it is the other side's

  // From now on it must go. The next measure follows after grace: SIGTERM if term_first, else
  // SIGKILL.
  void dismiss(Duration grace, bool term_first, Time now, Effects& out);
  void kill(Effects& out);
  friend bool operator==(const Side&, const Side&) = default;
};

}  // namespace handoff::supervisor
