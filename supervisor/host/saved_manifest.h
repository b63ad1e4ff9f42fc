// What a release reads and writes, in files of this program: a release that does not run any more
// can't be asked, and a new one is compared with it.
#pragma once

#include <nlohmann/json.hpp>

#include "libhandoff/core/manifest.h"

namespace handoff::supervisor {

// Of a manifest what does not change from one process of the release to the next.
core::Manifest lasting(core::Manifest manifest);

nlohmann::json manifest_json(const core::Manifest& manifest);
// Throws what nlohmann::json throws.
core::Manifest manifest_from(const nlohmann::json& in);

}  // namespace handoff::supervisor
