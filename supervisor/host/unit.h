// Asks systemd for the settings of the unit that this process runs in, and tells what is wrong with
// them: what is in a unit is for whoever wrote it, so nothing is mended.
#pragma once

#include <uv.h>

#include <optional>
#include <string>

#include "supervisor/core/unit.h"

namespace handoff::supervisor {

// nullopt: none, or systemd does not say. Takes as long as D-Bus does, 2 s for each question at
// most, so it is for a thread. Any thread.
std::optional<UnitSettings> read_unit();

// In the log, a moment later; nothing without NOTIFY_SOCKET. See unit_faults().
void tell_unit_faults(uv_loop_t* loop, std::size_t listeners, std::string runtime);

}  // namespace handoff::supervisor
