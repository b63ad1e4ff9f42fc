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
                                    std::uint64_t sessions, bool drain_incompatible,
                                    core::Unmovable unmovable);
// spread: permille that moves at the switch; 0 for all.
Result<protocol::Hello> heir_hello(const Registry& registry, std::uint64_t handoff_id,
                                   std::uint32_t spread);
// Before the heir's Hello: next the donor allocates its ring, and what its section is written from.
// Were memory to run out then, the kernel would end the heir, which has next to nothing to give
// yet, and the donor after it. So the heir tries what both take: twice the ring.
void try_room_for_the_ring(const Registry& registry);
core::Offer offer_of(const protocol::Hello& hello);
// Why a process that may open so many fds can't take these.
std::optional<core::Reason> too_few_fds(std::uint64_t fds_max, std::uint64_t passed);

}  // namespace handoff::io
