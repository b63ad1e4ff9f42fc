// The tester's end of the failpoints' ask:PATH. A process that comes to a point connects here and
// waits until it is answered.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "libhandoff/base/unique_fd.h"

namespace chaos {

// A process that waits at a point. answer() lets it go on; so does the destructor.
class Asked {
 public:
  Asked(handoff::UniqueFd fd, std::string point, pid_t pid)
      : fd_(std::move(fd)), point_(std::move(point)), pid_(pid) {}

  const std::string& point() const { return point_; }
  pid_t pid() const { return pid_; }
  void answer() { fd_.reset(); }

 private:
  handoff::UniqueFd fd_;
  std::string point_;
  pid_t pid_;
};

class AskSocket {
 public:
  explicit AskSocket(std::string path);

  // The processes that have come since the last call. Waits up to timeout_ms for the first.
  std::vector<Asked> poll(int timeout_ms);
  // Orders for HANDOFF_FAILPOINT: ask at each of the first times that a process passes the point.
  std::string orders(const std::string& point) const;

 private:
  std::string path_;
  handoff::UniqueFd listener_;
};

}  // namespace chaos
