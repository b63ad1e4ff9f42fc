// What `handoff` exits with. docs/operations.md has the numbers, and scripts rely on them.
#pragma once

namespace handoff::supervisor {

enum class ExitStatus : int {
  kDone = 0,
  kFailed = 1,  // refused or failed, and the service goes on as before
  kUsage = 2,
  kNoSupervisor = 3,
  kNoService = 4,
  kLost = 5,           // done, but someone was lost, or who is there is not known
  kCrowded = 6,        // the supervisor has too many clients at once
  kInterrupted = 130,  // Ctrl-C, as shells count
};

}  // namespace handoff::supervisor
