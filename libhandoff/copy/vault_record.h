// A session as it is kept in the vault: saved by the service as for a handoff, in its own version.
#pragma once

#include <cstdint>

#include "libhandoff/base/result.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

// Saves the session, and puts what it says into the vault; without a vault nothing happens. What
// can't be kept is noted there with the reason, and is no Error. True: the vault wants it again
// once all output is sent, since it keeps much of it, or can't tell of a Unix socket how much has
// gone.
Result<bool> put_in_vault(Registry& registry, std::uint64_t id);

}  // namespace handoff::io
