// Reads what /proc tells of a process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace handoff::test {

// What the process's fds lead to ("socket:[4711]", "/dev/null"), one entry for each fd. Two equal
// sets mean that the same files are open. Fds that close during the call are left out.
std::multiset<std::string> open_files(pid_t pid);

// What was opened (+) and closed (-) in between: "+socket:[1] -anon_inode:[eventpoll]".
std::string difference(const std::multiset<std::string>& before,
                       const std::multiset<std::string>& after);

std::vector<pid_t> children_of(pid_t pid);

// "NAME=VALUE" of the environment that the process was executed with.
std::multiset<std::string> environment_of(pid_t pid);

// The number after "NAME:" in /proc/PID/status, in kB for a size: VmRSS, VmHWM, VmSize. 0 if there
// is none.
std::uint64_t status_field(pid_t pid, const std::string& name);

// 'R', 'S', 'T', 'Z', ...; '\0' if there is no such process.
char process_state(pid_t pid);

}  // namespace handoff::test
