// The reader of vaults, handoff-vault, as a release that a process is started from.
#pragma once

#include <string>
#include <vector>

#include "supervisor/releases/own_program.h"
#include "supervisor/releases/release.h"

namespace handoff::supervisor {

// Opens it, once: what is installed later over it is for the next supervisor. On the loop's thread.
Result<void> hold_vault_reader();
// Whether it is there at all.
Result<OwnProgram> open_vault_reader();
// A release of its own for each process.
Result<ReleasePtr> vault_reader();

}  // namespace handoff::supervisor
