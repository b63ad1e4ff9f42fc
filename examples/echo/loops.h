// The event loops of echo: one for each lane of its service, on a thread of its own.
#pragma once

#include <functional>
#include <handoff/uv.hpp>

namespace echo {

// Makes a Host for each lane, calls declare for each, and runs all their loops, that of lane 0 on
// this thread. Returns when all loops have ended; throws the exception that ended the first.
void run_loops(handoff::Service& service,
               const std::function<void(handoff::uv::Host& host)>& declare);

}  // namespace echo
