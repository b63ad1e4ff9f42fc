// Which release a process is of: the one that it was started as, unless what it says of itself and
// what it executes show another.
#pragma once

#include <uv.h>

#include <functional>
#include <string>

#include "supervisor/core/events.h"
#include "supervisor/processes/service_process.h"
#include "supervisor/releases/release_files.h"

namespace handoff::supervisor {

// Of a wrapper the program is digested that the process has become, on a thread; found is called on
// the loop. False: there is nothing to be found out, and found is not called.
bool find_executed(uv_loop_t* loop, const Process& process, const FileRules& rules,
                   std::function<void(Executed)> found);

// The process has registered by that name, and process.executed is what was found out. Its release
// is right afterwards. returning: it ran before this supervisor did.
ReleaseSeen identify(const std::string& service, Process& process, const std::string& said,
                     bool returning);

}  // namespace handoff::supervisor
