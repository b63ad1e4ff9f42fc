// The process that is ended when memory runs out. The kernel ends the process with the highest
// score: its share of the memory, in thousandths, and what /proc/PID/oom_score_adj adds. Left alone
// it would end the donor, which is larger than an heir in mid-copy, and has all the sessions.
//
// 1000 adds all the memory there is (of the control group, or of the host). So a process that has
// raised itself is ended before everybody who has not, however small it is.
#pragma once

#include <string>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::io {

class OomScore {
 public:
  // This process goes first from now on. An error changes nothing.
  //
  // Its files stay open, so that restore() works after the process has changed its user or root,
  // or may not be dumped any more.
  Result<void> raise();
  // The score is what it was before raise(). Does nothing a second time, or without raise().
  //
  // So are those of processes that this one has started since, and that are still below it, unless
  // its system calls are filtered: then it does nothing but read and write what is open.
  Result<void> restore();
  bool raised() const { return file_.valid(); }

 private:
  UniqueFd file_;
  UniqueFd status_;  // not read yet
  std::string before_;
};

}  // namespace handoff::io
