// Which processes belong to which generation of a service, by what /proc shows of all of them.
//
// A process belongs to a generation by the first of these that holds:
// - its cgroup, if the generation has one of its own;
// - its mark: the environment that the generation was executed with, which children inherit;
// - its session: the generation's process is the leader of one (setsid(2));
// - its parent, which belongs to the generation.
//
// What belongs to a generation that has gone, and a session of one that lives needs (a shell whose
// terminal has moved), is that one's by now. Its service says so.
//
// A number may have come to mean a stranger. So a session counts if the leader lives, if the
// process descends from the supervisor (which is the subreaper of all that it starts), or if it was
// there while the leader was known to live. Nothing belongs to a generation that is older than it.
// The processes of generations themselves, the keepers of their vaults, the processes of other
// services, of other supervisors, the supervisor and whoever has started it belong to none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "supervisor/core/events.h"

namespace handoff::supervisor {

struct ProcessSeen {
  int pid = 0;
  int parent = 0;
  int session = 0;
  std::uint64_t started = 0;  // in clock ticks since boot
  bool ended = false;         // and its parent has not asked for it yet (a zombie)
  std::string command = {};
  std::string cgroup = {};  // "" where nobody knows
  // Its mark; "" where it has none, or nobody may see it.
  std::string home = {};  // where services of its supervisor return to
  std::string service = {};
  Generation generation = 0;
  bool main = false;  // the supervisor has started it
};

// The process of a generation.
struct Root {
  Generation generation = 0;
  int pid = 0;
  std::uint64_t started = 0;
  bool lives = false;
  std::uint64_t seen = 0;   // it lived then, in clock ticks since boot; 0: nobody knows
  std::string cgroup = {};  // of its own; "" for none
};

// A generation that lives holds that process for a session.
struct Hold {
  Generation generation = 0;
  int pid = 0;
  std::uint64_t started = 0;
};

struct Whose {
  std::string home;
  std::string service;
  int supervisor = 0;  // the pid
  std::vector<Hold> holds = {};
  std::vector<int> keepers = {};  // of vaults: pids
};

// In the order of all, by generation. 0 stands for generations that nobody knows any more.
std::map<Generation, std::vector<ProcessSeen>> kin_of(const std::vector<ProcessSeen>& all,
                                                      const std::vector<Root>& roots,
                                                      const Whose& whose);

// "sh (pid 4711), sleep (pid 4712) and 3 more".
std::string names_of(const std::vector<ProcessSeen>& processes);

}  // namespace handoff::supervisor
