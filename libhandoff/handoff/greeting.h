// What donor and heir say of themselves in Hello. Each side's Hello is its offer to
// core/negotiation.
#pragma once

#include <cstdint>
#include <optional>

#include "libhandoff/base/result.h"
#include "libhandoff/core/negotiation.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

Result<protocol::Hello> donor_hello(const Registry& registry, std::uint64_t handoff_id,
                                    std::uint64_t sessions, bool drain_incompatible);
// fds_max: how many fds this process may open.
Result<protocol::Hello> heir_hello(const Registry& registry, std::uint64_t handoff_id,
                                   std::uint64_t fds_max);
core::Offer offer_of(const protocol::Hello& hello);
// Why a process that may open so many fds can't take these.
std::optional<core::Reason> too_few_fds(std::uint64_t fds_max, std::uint64_t passed);

}  // namespace handoff::io
