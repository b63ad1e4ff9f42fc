// What processes that have died have left, to go on from: their vaults. Which one counts, how often
// a service goes on from one, and which sessions do not come along.
//
// A vault has each session as its clients know it, so a death that is no fault of the service (a
// signal from outside, memory that ran out) costs nobody anything. A request that crashes whoever
// reads it would crash each process that follows. So there are two bounds:
//
// - A session in whose input a process crashed max_crashes times is reset, and the others go on. Of
//   a process with lanes nobody can say which of its threads crashed: each lane's session is
//   blamed, and the one to blame is there each time.
// - Where no session is to blame, a service goes on so many times within a while. Beyond that it is
//   started from nothing, as without a vault.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "supervisor/core/exit.h"
#include "supervisor/core/rate.h"
#include "supervisor/core/time.h"

namespace handoff::supervisor {

using Generation = std::uint64_t;  // from 1; 0 is nobody

// The vault of a process that has ended, as somebody has looked into it. A process has written it
// that may have crashed: nothing of it is believed beyond what it says here.
struct VaultLeft {
  bool owned = false;  // the process owned the sessions, by its own word
  // The sessions whose input it was at: of each lane at most one.
  std::vector<std::uint64_t> reading = {};
  friend bool operator==(const VaultLeft&, const VaultLeft&) = default;
};

// The sessions of a process that has died go on from its vault: since when, and why.
struct Recovery {
  Generation of = 0;  // who died first
  std::string how;    // it ended
  Time died{};
  std::uint64_t sessions = 0;  // that it had, as counted last
  int tries = 0;               // that were begun
  friend bool operator==(const Recovery&, const Recovery&) = default;
};

class Vaults {
 public:
  struct Policy {
    int max_crashes = 3;                                 // in the input of one session
    Rate max_recoveries = {5, std::chrono::minutes(1)};  // where no session is to blame
    friend bool operator==(const Policy&, const Policy&) = default;
  };
  // A service that goes on from its vault.
  struct Try {
    Time at{};
    bool blamed = false;  // for the death before it there was a session to blame
    friend bool operator==(const Try&, const Try&) = default;
  };
  // What the next supervisor has to know.
  struct Saved {
    std::vector<Generation> sources;
    std::vector<Try> tries;
    std::map<std::uint64_t, int> crashes;  // by session
    friend bool operator==(const Saved&, const Saved&) = default;
  };

  // Crashes in more sessions than that are forgotten, the oldest session first: a service has
  // numbers for its sessions that grow.
  static constexpr std::size_t kMostSuspects = 1000;
  // Within that while, whoever is to blame: a process that crashes may have written any session
  // there.
  static constexpr std::size_t kMostTries = 100;

  void restore(const Saved& saved);
  Saved saved() const;

  // A process that may have served has ended and left this. False: it is of no use.
  bool left(Generation generation, const VaultLeft& vault, const Exit& exit);
  // The keeper of that one's sockets has gone, and its sessions with it.
  void lost(Generation generation) { sources_.erase(generation); }
  // Whose vault counts: of several the newest, since an heir has what its donor had. 0: there is
  // none.
  Generation source() const { return sources_.empty() ? 0 : *sources_.rbegin(); }
  // Why a service does not go on from it now; "" if it does.
  std::string refusal(const Policy& policy, Time now) const;
  // A service goes on from source().
  void begun(const Policy& policy, Time now);
  // The sessions that do not come along.
  std::vector<std::uint64_t> quarantined(const Policy& policy) const;
  // Another process owns the sessions that are left.
  void recovered(const Policy& policy);
  // None of them is wanted any more. Returns whose they were.
  std::vector<Generation> take_all();

  friend bool operator==(const Vaults&, const Vaults&) = default;

 private:
  std::set<Generation> sources_;
  std::deque<Try> tries_;
  std::map<std::uint64_t, int> crashes_;
  bool blamed_ = false;  // for the last death there is a session to blame
};

}  // namespace handoff::supervisor
