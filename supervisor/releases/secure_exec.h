// Programs that the kernel starts with more rights than the supervisor has (AT_SECURE). libhandoff
// believes nobody there, the supervisor included (libhandoff/sys/environment.h). So the file is
// named before and when it is started: the service alone would seem to hang, or not find its
// listeners.
#pragma once

#include <sys/types.h>

#include <string>

#include "supervisor/releases/release.h"

namespace handoff::supervisor {

// Why a process that this one executes from the file will be AT_SECURE, and what helps; "" if it
// will not. Judged for this user, the file's mount and this process's no_new_privs. Of a script its
// interpreter is looked at, as the kernel does.
std::string secure_exec_note(int file, const std::string& path);
// Of a process that has just been executed from the release: also what a file does not show, a
// transition of SELinux or AppArmor, as far as this process may look.
std::string secure_exec_note(const Release& release, pid_t pid);

}  // namespace handoff::supervisor
