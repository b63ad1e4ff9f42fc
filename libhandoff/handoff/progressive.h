// A progressive upgrade leaves some sessions with the old process and moves the others. That is for
// sessions that share nothing.
#pragma once

#include <cstdint>
#include <optional>

#include "libhandoff/core/types.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

// Why this service can't be upgraded so; nullopt if it can. spread: permille that moves; 0 for all,
// which any service can.
std::optional<core::Reason> not_progressive(const Registry& registry, std::uint32_t spread);

}  // namespace handoff::io
