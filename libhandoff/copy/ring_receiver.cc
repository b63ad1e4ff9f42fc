#include "libhandoff/copy/ring_receiver.h"

#include <algorithm>
#include <string>
#include <utility>

#include "handoff/handoff.h"

namespace handoff::io {
namespace {

Failure malformed(std::string text) { return fail(HANDOFF_ERR_PROTOCOL, std::move(text)); }

}  // namespace

Result<void> RingReceiver::apply(std::string_view body, std::vector<UniqueFd>& fds) {
  const auto ring = protocol::decode<protocol::Ring>(body);
  if (!ring) return Failure(ring.error());
  if (memory_.data() != nullptr || fds.size() != 1) return malformed("Ring: not one, or again");
  if (ring->slots == 0 || ring->slots > 1024 || ring->slot_size == 0 ||
      ring->slot_size > HANDOFF_CHUNK_MAX) {
    return malformed("Ring: " + std::to_string(ring->slots) + " slots of " +
                     std::to_string(ring->slot_size) + " bytes");
  }
  auto mapping = map_ring(fds[0].get(), std::size_t{ring->slots} * ring->slot_size);
  if (!mapping) return Failure(mapping.error());
  memory_ = std::move(*mapping);
  copy_ = std::make_unique_for_overwrite<char[]>(ring->slot_size);
  slots_ = ring->slots;
  slot_size_ = ring->slot_size;
  return {};
}

Result<std::string_view> RingReceiver::take(const char* what, const protocol::InRing& place) {
  if (place.slot >= slots_ || place.length > slot_size_) {
    return malformed(std::string(what) + ": outside of the ring");
  }
  const char* const slot = memory_.data() + std::size_t{place.slot} * slot_size_;
  std::copy_n(slot, place.length, copy_.get());
  const std::string_view bytes(copy_.get(), place.length);
  if (checksum(bytes) != place.checksum) return malformed(std::string(what) + ": wrong checksum");
  return bytes;
}

}  // namespace handoff::io
