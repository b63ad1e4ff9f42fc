// The system calls that are left to a process before it reads what a stranger wrote.
#pragma once

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

// From here on this process, which has no new privileges (confine.h), reads and writes files, makes
// folders, files and links, and manages its memory, none of it executable. It changes no mode,
// opens none to others' writing, and empties no file by opening it. Any other system call is
// answered with ENOSYS. The Error says that nothing is filtered: seccomp or the architecture is
// unknown here.
Result<void> leave_only_unpacking();

}  // namespace handoff::supervisor
