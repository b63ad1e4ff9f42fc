// What was chosen for a service, for a supervisor that is started after all of it has ended: a
// reboot, a stop and a start. Beside the copies of its releases, kept/SERVICE/choice.json; replaced
// as a whole, and on the disk. While something of the service lives the state file counts
// (saved_state.h).
//
// Times of another boot mean nothing: of a probation the time that was left is kept, as it was when
// the file was written.
#pragma once

#include <optional>
#include <string>

#include "libhandoff/base/result.h"
#include "supervisor/core/time.h"
#include "supervisor/host/saved_state.h"

namespace handoff::supervisor {

// Of a service without its processes.
std::string choice_text(const SavedService& service, Time now);
// file is the name for messages. The error says why it is passed over.
Result<SavedService> parse_choice(const std::string& text, const std::string& file, Time now);

// folder: the service's folder of kept releases.
std::string choice_path(const std::string& folder);
Result<void> write_choice(const std::string& folder, const std::string& text);
// nullopt: there is none.
Result<std::optional<SavedService>> read_choice(const std::string& folder, Time now);

}  // namespace handoff::supervisor
