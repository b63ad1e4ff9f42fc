// What an upgrade would do, from what a rehearsal of it has found: a pure function of the findings
// of both sides, their manifests, and what was measured. Nothing here promises more than that.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libhandoff/core/negotiation.h"
#include "libhandoff/protocol/messages.h"
#include "supervisor/core/effects.h"
#include "supervisor/core/elsewhere.h"
#include "supervisor/core/memory.h"
#include "supervisor/core/way_back.h"

namespace handoff::supervisor {

// What an upgrade of the service has really cost its users.
struct PastBlackout {
  std::uint64_t us = 0;  // the longest
  std::uint64_t sessions = 0;
};

struct PlanFacts {
  Report report;  // of the rehearsal as a handoff
  Timeouts timeouts;
  // What either side said; none if it did not come to that.
  std::optional<protocol::Rehearsed> donor;
  std::optional<protocol::Rehearsed> heir;
  // Measured before the new process was started.
  std::vector<MemoryLevel> memory;
  std::uint64_t donor_rss = 0;
  std::uint64_t donor_own = 0;       // see weigh_handoff()
  bool drain_incompatible = false;   // sessions of no common version stay, and are no problem
  std::optional<PastBlackout> last;  // of the upgrade before, if it went through
  UnclaimedPolicy unclaimed;
  std::vector<std::string> held;  // listeners that the supervisor has
  std::vector<Elsewhere> elsewhere;
  bool one_way = false;     // nobody need be able to go back
  bool keeps_late = false;  // what stays is kept until it ends, else until the drain is over
  // One would go back past the release that runs, to one of this manifest, if it is known.
  bool goes_back_past = false;
  std::optional<core::Manifest> back;
};

struct Plan {
  // One kind of state on its way.
  struct State {
    std::string name;
    bool section = false;
    bool region = false;
    bool claimed = false;    // by the new release
    std::uint32_t from = 0;  // the old release's own version; of a section or region: as it travels
    std::uint32_t travels = 0;  // 0: there is no way
    std::uint32_t to = 0;
    std::string old_converts;  // "3 -> 2 -> 1", "" if there is nothing to convert there
    std::string new_converts;
  };
  struct Listener {
    std::string name;
    std::string address;
    bool held = false;  // by the supervisor
  };
  // What the new release does not claim, and what would become of it.
  struct Left {
    core::LeftOut what;
    Fate fate = Fate::kDropped;
  };
  // A session that either side refused.
  struct Example : protocol::Finding {
    bool by_new = false;
  };
  struct Problem {
    std::string code;
    std::string text;
  };
  // The switch by the rates of this rehearsal, up to the moment when the new release owns all
  // sessions. What the two do for each of them when they let go and take up is not in it: no
  // rehearsal can show that.
  struct Switch {
    std::uint64_t us = 0;
    std::uint64_t saved = 0;  // sessions
    std::uint64_t save_ns = 0;
    std::uint64_t restored = 0;
    std::uint64_t restore_ns = 0;
    std::uint64_t finish_ns = 0;
    std::uint64_t round_trip_ns = 0;  // a switch takes two
    std::uint64_t sections_ns = 0;    // to copy what sections have changed
  };

  std::vector<State> states;
  std::vector<Listener> matched, missing, extra;
  std::vector<Elsewhere> elsewhere;  // and would move
  std::vector<Left> left;
  bool tried = false;  // the copy came to its end: how many would move is known
  std::uint64_t move = 0;
  std::uint64_t untried = 0;  // of `move`: their service gives nothing to try before a freeze
  std::uint64_t wait = 0;
  std::uint64_t refused = 0;    // by either side
  std::uint64_t too_large = 0;  // would not fit into the freeze
  // Of the two what becomes of them: they stay with the old release, are reset, or the upgrade
  // fails.
  std::uint64_t stay = 0;
  std::uint64_t close = 0;
  std::vector<core::Staying> staying;  // with the old release, by their service's word
  std::vector<Example> examples;       // at most ten
  std::vector<protocol::Amount> amounts;
  std::uint64_t session_bytes = 0;
  std::uint64_t section_bytes = 0;
  std::uint64_t region_bytes = 0;  // that would stay where they are
  std::optional<Switch> switching;
  std::string no_estimate;  // why the copy came to its end, and there is none all the same
  std::uint64_t budget_us = 0;
  std::optional<PastBlackout> last;
  std::optional<std::uint64_t> needed_memory;
  bool memory_guessed = false;  // from what the old process has: the new one did not come so far
  std::optional<std::uint64_t> free_memory;
  std::string free_memory_of;
  // Whether the release that one would go back to can take everything back; unknown without both
  // manifests.
  std::optional<bool> way_back;
  std::string back_to;  // its name
  std::vector<std::string> no_way_back;
  std::vector<std::string> once_rewritten;  // as WayBack's
  // Why the upgrade would not go through; none if it would.
  std::vector<Problem> problems;
  std::string sentence;  // what it would do to the users
};

// service and release are for the sentence.
Plan make_plan(const PlanFacts& facts, const std::string& service, const std::string& release);

}  // namespace handoff::supervisor
