// The processes on this host that a supervisor of one runtime folder has started, told by the
// environment that they were executed with. They are looked for where no state file tells of them:
// it is lost, or older than they are.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "libhandoff/core/address.h"
#include "libhandoff/sys/socket.h"
#include "supervisor/processes/service_process.h"

namespace handoff::supervisor {

struct Orphan {
  std::string service;
  std::unique_ptr<Process> process;
};

// Orphans of this user, and those that it has started which have another one by now, the highest
// generation first: what the others run, a donor that leaves say, is not what was chosen. Nobody is
// found without /proc, and of other users nobody without CAP_SYS_PTRACE.
std::vector<Orphan> take_census(const std::string& report_path);

// The variables of that process's environment that begin with HANDOFF_, as it was executed; none if
// that can't be read.
std::map<std::string, std::string> handoff_environment_of(pid_t pid);

// The environment is what a process likes to say. That of another user is believed if the process
// has a mailbox that this user has made.
bool is_ours(const Process& process);

// Processes may be shared with another container, in which another supervisor has a folder of its
// own by the same path. A process that can't see such a folder any more is believed.
bool sees_another_folder(pid_t pid, const std::string& report_path);

// The address of that process's mailbox, which it was executed with; "" if it has none, or if that
// can't be seen.
std::string mailbox_of(pid_t pid);

// A duplicate of that very socket; not valid if the process has none, or if its fds can't be seen
// (ptrace(2)).
UniqueFd socket_of(const Process& process, const io::Identity& which);

// Which of them listens at that address: "generation 2 of chat (pid 4711)"; "" for none of them, or
// if that can't be seen.
std::string orphan_at(const core::Address& address, const std::string& report_path);

}  // namespace handoff::supervisor
