// A cgroup for each generation of a service (cgroups(7), version 2), where the supervisor's own has
// been delegated to it: by Delegate= of systemd, or by a container that has it for its root. Then
// all that a generation has left is known, whatever it did to its session and its environment.
//
// Elsewhere cgroups are somebody else's, and none is made. Version 1 is not used: systemd delegates
// none of its hierarchies to a program without rights, and those of controllers are shared by all.
#pragma once

#include <string>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {

// The path of the process's cgroup, as /proc/PID/cgroup has it; "" if there is none, or that can't
// be read.
std::string cgroup_of(int pid);

class Cgroups {
 public:
  struct Made {
    std::string path;  // as cgroup_of() tells it
    UniqueFd procs;    // a process that writes "0" into it moves there
  };

  // Below that of this process.
  static Cgroups of_this_process();

  bool delegated() const { return !folder_.empty(); }
  Result<Made> make(const std::string& service, unsigned long long generation) const;
  // Unless a process is in it.
  void remove(const std::string& path) const;

 private:
  std::string folder_;  // "": not delegated
  std::string path_;
};

}  // namespace handoff::supervisor
