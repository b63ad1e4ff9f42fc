#include "support/process/deadline.h"

#include <poll.h>

#include <cerrno>
#include <system_error>

namespace handoff::test {

bool readable(int fd, Deadline deadline) {
  for (;;) {
    pollfd p{fd, POLLIN, 0};
    const int n = ::poll(&p, 1, deadline.milliseconds());
    if (n == 1) return true;
    if (n < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
    if (n == 0 && deadline.passed()) return false;
  }
}

}  // namespace handoff::test
