// Processes that the supervisor before this one has started: which of them still run, held by pidfd
// so that their numbers can't come to mean others.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "supervisor/host/saved_state.h"
#include "supervisor/processes/service_process.h"

namespace handoff::supervisor {

// The boot id of this host; "" if it can't be read.
std::string boot_id();
// When a process was started, in clock ticks since boot; 0 if there is no such process.
std::uint64_t start_of(pid_t pid);
// Until when it is known to have lived, which is the last tick but one if it lives.
std::uint64_t last_seen(Process& process);

// The process, if it still runs; null if it has ended, is another of the same number, or if nothing
// proves that it is not.
std::unique_ptr<Process> find_process(const SavedProcess& saved);
// Whatever process has that number now; null if there is none. Its generation and release are not
// known yet.
std::unique_ptr<Process> hold_process(pid_t pid);
// The process of that number, which has said something on a connection, as the kernel tells; null
// if its end is closed.
std::unique_ptr<Process> hold_peer(pid_t pid, int connection);
// There is a process of that number, and nothing tells whether it is this one.
bool may_live(const SavedProcess& saved);

// The words of its command line; none if that can't be read.
std::vector<std::string> command_of_process(pid_t pid);
// What a process runs, as /proc has it: its file, or the script that it interprets, if that was
// given as a fd. null if that can't be read.
ReleasePtr release_of_process(pid_t pid);

// Why a process that runs has not come back yet, as far as that shows, and what to do.
std::string why_away(const Process& process);

// How a process that is no child of ours has ended; known only if it is one after all (upgrade
// --self keeps the pid, and so the children).
Exit exit_of(const Process& process);

}  // namespace handoff::supervisor
