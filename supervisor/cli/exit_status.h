// What `handoff` exits with; DESIGN 5.2 binds the numbers.
#pragma once

namespace handoff::supervisor {

enum class ExitStatus : int {
  kDone = 0,
  kFailed = 1,  // refused or failed, and the service goes on as before
  kUsage = 2,
  kNoSupervisor = 3,
  kNoService = 4,
  kLost = 5,           // done, but someone was lost
  kInterrupted = 130,  // Ctrl-C, as shells count
};

}  // namespace handoff::supervisor
