// The tester's end of the failpoints' ask:PATH: processes that come to a point connect here and
// wait until they are answered.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "libhandoff/base/unique_fd.h"

namespace chaos {

// A process that waits at a point, until answer(). Dropping it is an answer, too.
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

  // Processes that have come since the last call. Waits at most that long for the first.
  std::vector<Asked> poll(int timeout_ms);
  // Orders for HANDOFF_FAILPOINT: ask at each of the first times that a process passes the point.
  std::string orders(const std::string& point) const;

 private:
  std::string path_;
  handoff::UniqueFd listener_;
};

}  // namespace chaos
