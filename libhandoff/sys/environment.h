// The one door to HANDOFF_* of the environment, and so to the fd that HANDOFF_FD names.
//
// A process gets its environment and its fds from its starter. Where the process has rights that
// they lack (the kernel says so by AT_SECURE, see getauxval(3)), a forged Start would make it use
// those rights for them: end a process by the pidfd in it, say. So nothing is read then.
#pragma once

#include <string>

namespace handoff::environment {

// What a supervisor tells its process, and no other process.
inline constexpr const char* kOfSupervisor[] = {"HANDOFF_FD",      "HANDOFF_PID",
                                                "HANDOFF_SERVICE", "HANDOFF_GENERATION",
                                                "HANDOFF_RETURN",  "HANDOFF_MAILBOX"};

// The process may have more rights than whoever started it: the program is setuid, setgid or has
// file capabilities, or SELinux or AppArmor changed its domain. Never changes.
bool of_others();

// HANDOFF_...; null if it is not set, or of_others().
const char* get(const char* name);

// Takes a supervisor's variables out of the environment. They are for this process and not for its
// children.
void forget_supervisor();

// What helps where a program has file capabilities, and where SELinux or AppArmor mark a process.
inline constexpr const char* kCapabilityAdvice =
    "take them away (setcap -r), and give the supervisor ambient ones (AmbientCapabilities=, or "
    "setpriv --ambient-caps), which its services inherit";
inline constexpr const char* kTransitionAdvice =
    "allow noatsecure for the transition (SELinux), or let the profile inherit or keep the "
    "environment (AppArmor: ix, px or cx in place of Px or Cx)";

// What was meant for this process and is ignored since it is of_others(), or was meant for the
// process whose child this is. Before forget_supervisor().
struct Ignored {
  std::string words;  // a sentence with the file, and what helps; "" if nothing is ignored
  int fd = -1;        // that HANDOFF_FD names, whatever it is; -1 for none
};
Ignored ignored();

}  // namespace handoff::environment
