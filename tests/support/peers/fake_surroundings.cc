#include "support/peers/fake_surroundings.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace handoff::test {

void print_surroundings() {
  std::printf("pid=%d HANDOFF_PID=%s HANDOFF_SERVICE=%s HANDOFF_GENERATION=%s NOTIFY_SOCKET=%s\n",
              ::getpid(), std::getenv("HANDOFF_PID"), std::getenv("HANDOFF_SERVICE"),
              std::getenv("HANDOFF_GENERATION"),
              std::getenv("NOTIFY_SOCKET") != nullptr ? "set" : "unset");
  std::string fds;
  for (int fd = 0; fd < 1024; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) fds += " " + std::to_string(fd);
  }
  std::printf("fds:%s HANDOFF_FD=%s\n", fds.c_str(), std::getenv("HANDOFF_FD"));
  std::fflush(stdout);
}

}  // namespace handoff::test
