// Starts a process from an open file (execveat), with nothing of the supervisor's but its standard
// output, its standard error and one end of a control socket.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "supervisor/releases/release.h"

namespace handoff::supervisor {

struct SpawnPlan {
  const Release* release = nullptr;
  std::string service;
  unsigned long long generation = 0;
  int control_fd = -1;      // borrowed; the child's end, under the same number
  std::vector<int> kept;    // borrowed; further fds of the child's, likewise
  int cgroup_procs = -1;    // borrowed; of the cgroup that it moves to; -1 to stay
  std::string report_path;  // where it returns to: by this the next supervisor knows it for its own
  std::string mailbox;      // and reaches it, should the state file be lost; "" for none
  std::map<std::string, std::string> environment;  // over what is inherited
  std::string working_dir;                         // "" to stay
};

struct Spawned {
  pid_t pid = -1;
  UniqueFd pidfd;
  UniqueFd go;          // the child waits: let_go() makes it run, closing it ends it
  UniqueFd exec_error;  // nothing comes before EOF: it runs; else see exec_error_text()
};

// The child does nothing before let_go(): whoever has to know of it can be told first.
Result<Spawned> spawn(const SpawnPlan& plan);
Result<void> let_go(UniqueFd go);

// Reads what a child has written that could not become the program; "" if it runs or doesn't know
// yet. Does not block. done: nothing more will come.
std::string exec_error_text(int fd, const Release& release, bool& done);

// Raises the soft limit of open files to the hard one; services get the original one back. A sender
// of fds is held to its own soft limit by what the whole user has in flight (FACTS).
void raise_file_limit();
// Undone, for a successor in this process.
void restore_file_limit();

}  // namespace handoff::supervisor
