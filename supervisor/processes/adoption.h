// Processes that the supervisor before this one has started: which of them still run, held by pidfd
// so that their numbers can't come to mean others.
#pragma once

#include <memory>
#include <string>

#include "libhandoff/base/result.h"
#include "supervisor/host/saved_state.h"
#include "supervisor/processes/service_process.h"

namespace handoff::supervisor {

// The boot id of this host; "" if it can't be read.
std::string boot_id();
// When a process was started, in clock ticks since boot; 0 if there is no such process.
std::uint64_t start_of(pid_t pid);

// The process, if it still runs; null if it has ended (or is another of the same number).
std::unique_ptr<Process> find_process(const SavedProcess& saved);

// How a process that is no child of ours has ended; known only if it is one after all (upgrade
// --self keeps the pid, and so the children).
Exit exit_of(const Process& process);

}  // namespace handoff::supervisor
