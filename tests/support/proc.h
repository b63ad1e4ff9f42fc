// What /proc tells of a process.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

namespace test {

// What its fds lead to ("socket:[4711]", "/dev/null"), one entry for each fd: the same files open
// are the same sets. Fds that close while this looks are left out.
std::multiset<std::string> open_files(pid_t pid);

// "+socket:[1] -anon_inode:[eventpoll]": what after has that before has not, and the other way
// round.
std::string difference(const std::multiset<std::string>& before,
                       const std::multiset<std::string>& after);

std::vector<pid_t> children_of(pid_t pid);

}  // namespace test
