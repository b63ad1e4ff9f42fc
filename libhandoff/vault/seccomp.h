// What a keeper may ask of the kernel, from confine() on (seccomp(2)).
#pragma once

namespace handoff::vault {

// All other calls fail with EPERM. 0, or an errno. Async-signal-safe; PR_SET_NO_NEW_PRIVS comes
// before.
int confine();

}  // namespace handoff::vault
