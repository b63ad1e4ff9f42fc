#include "libhandoff/handoff/greeting.h"

#include <string>
#include <utility>

#include "libhandoff/protocol/limits.h"
#include "libhandoff/sys/fd_limit.h"
#include "libhandoff/sys/memory.h"

namespace handoff::io {
namespace {

// Besides the sessions and named fds: what a process has open anyway, and the copy's own.
constexpr std::uint64_t kSpareFds = 64;

// What either side says. only_with_fd: as Registry::manifest().
Result<protocol::Hello> hello_of(const Registry& registry, std::uint64_t handoff_id,
                                 bool only_with_fd) {
  auto manifest = registry.manifest(only_with_fd);
  if (!manifest) return Failure(manifest.error());
  protocol::Hello hello;
  hello.protocol_min = protocol::kVersionMin;
  hello.protocol_max = protocol::kVersionMax;
  hello.handoff_id = handoff_id;
  hello.lanes = registry.lanes;
  hello.manifest = std::move(*manifest);
  hello.links = true;
  return hello;
}

}  // namespace

Result<protocol::Hello> donor_hello(const Registry& registry, std::uint64_t handoff_id,
                                    std::uint64_t sessions, bool drain_incompatible,
                                    core::Unmovable unmovable) {
  auto hello = hello_of(registry, handoff_id, true);
  if (!hello) return hello;
  hello->sessions = sessions;
  hello->fds_max = FdLimit::now();
  hello->drain_incompatible = drain_incompatible;
  hello->unmovable = unmovable;
  return hello;
}

Result<protocol::Hello> heir_hello(const Registry& registry, std::uint64_t handoff_id,
                                   std::uint32_t spread) {
  auto hello = hello_of(registry, handoff_id, false);
  if (!hello) return hello;
  // A donor of any version gives a progressive upgrade up then, which is for one lane.
  hello->links = spread == 0 || registry.lanes == 1;
  hello->fds_max = FdLimit::most();
  hello->ring_sessions = true;
  hello->looks = true;
  hello->layers = true;
  hello->session_fds = true;
  // Without extend() an early heir would have to keep every input and output a second time.
  hello->tails = registry.callbacks.update == nullptr || registry.callbacks.extend != nullptr;
  return hello;
}

void try_room_for_the_ring(const Registry& registry) {
  const std::size_t slot =
      registry.sections.empty() ? protocol::kSmallSlotSize : protocol::kRingSlotSize;
  take_for_a_moment(std::size_t{2} * protocol::kRingSlots * slot);
}

core::Offer offer_of(const protocol::Hello& hello) {
  return {.protocol_min = hello.protocol_min,
          .protocol_max = hello.protocol_max,
          .lane = hello.lane,
          .lanes = hello.lanes,
          .manifest = hello.manifest,
          .links = hello.links,
          .drain_incompatible = hello.drain_incompatible};
}

std::optional<core::Reason> too_few_fds(std::uint64_t fds_max, std::uint64_t passed) {
  const std::uint64_t needed = passed + kSpareFds;
  if (needed <= fds_max) return std::nullopt;
  return core::Reason{core::Code::kResources, "the new process may open " +
                                                  std::to_string(fds_max) +
                                                  " fds and needs about " + std::to_string(needed) +
                                                  "; raise RLIMIT_NOFILE (LimitNOFILE=)"};
}

}  // namespace handoff::io
