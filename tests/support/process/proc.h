// What /proc tells of a process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace handoff::test {

// What its fds lead to ("socket:[4711]", "/dev/null"), one entry for each fd: the same files open
// are the same sets. Fds that close while this looks are left out.
std::multiset<std::string> open_files(pid_t pid);

// "+socket:[1] -anon_inode:[eventpoll]": what after has that before has not, and the other way
// round.
std::string difference(const std::multiset<std::string>& before,
                       const std::multiset<std::string>& after);

std::vector<pid_t> children_of(pid_t pid);

// "NAME=VALUE", as it was executed with.
std::multiset<std::string> environment_of(pid_t pid);

// The number after "NAME:" in its status, in kB if it is a size: VmRSS, VmHWM, VmSize. 0 if there
// is none.
std::uint64_t status_field(pid_t pid, const std::string& name);

// 'R', 'S', 'T', 'Z', ...; '\0' if there is no such process.
char process_state(pid_t pid);

}  // namespace handoff::test
