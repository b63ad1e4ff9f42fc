// What takes as long as a disk likes before a service is here: a program that nobody has opened
// before is opened. Nothing of Supervisor is touched, so that a thread can do it. What ran before
// is opened once the service is here, which goes on meanwhile.
#pragma once

#include <optional>
#include <string>

#include "libhandoff/base/result.h"
#include "supervisor/config/config.h"
#include "supervisor/releases/release.h"
#include "supervisor/run/predecessor.h"

namespace handoff::supervisor {

struct Opened {
  std::optional<Before> before;
  ReleasePtr release;    // not open if it could not be opened, or was not to be yet
  Result<void> problem;  // why it could not be
};

// at_once: its program is opened now. Else when it is started.
Opened open_service(const ServiceConfig& config, std::optional<Before> before, bool at_once);

}  // namespace handoff::supervisor
