// The event loops of echo: one for each lane of its service, on a thread of its own.
#pragma once

#include <functional>
#include <handoff/uv.hpp>

namespace echo {

// Makes a Host for each lane, lets declare say what it is to listen to, and runs them all: the
// first on this thread. Returns when all of them have ended; throws what stopped the first.
void run_loops(handoff::Service& service,
               const std::function<void(handoff::uv::Host& host)>& declare);

}  // namespace echo
