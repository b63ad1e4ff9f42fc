// A service whose sessions have fds of many kinds beside their sockets. Its clients say lines:
//
//   open KIND     makes the fds of that kind, and gives them to the session
//   use KIND      uses them, and answers with what came of it
//   fill N        gives the session N memfds
//   swap          from now on each freeze puts another memfd in the place of "memfd"
//   close NAME    closes an fd, and says nothing of it
//   drop NAME     says that an fd is over, and closes it
//   park NAME     opens a session without a socket, whose state is that name
//   parked        names those sessions
//   memfds        how many memfds this process has open
//   hold, release, who   as the line service's
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "handoff/handoff.hpp"

namespace handoff::test {

struct FdServiceOptions {
  std::string version = "1";
  std::string folder;  // for files
  bool early_restore = false;
  bool tracked = true;
  bool holds = false;
  bool takes = true;  // restore() takes the fds
};
int run_fd_service(const FdServiceOptions& options);

// A kind of fd, and what `use` answers.
struct KindOfFd {
  const char* name;
  const char* answer;
};
inline void PrintTo(const KindOfFd& kind, std::ostream* out) { *out << kind.name; }
const std::vector<KindOfFd>& kinds_of_fd();

}  // namespace handoff::test
