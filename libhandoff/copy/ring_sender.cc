#include "libhandoff/copy/ring_sender.h"

#include <utility>

#include "libhandoff/protocol/limits.h"

namespace handoff::io {

using protocol::Type;

Result<Pumped> RingSender::announce(std::uint32_t slot_size) {
  if (!made()) {
    auto memory = make_ring(std::size_t{protocol::kRingSlots} * slot_size);
    if (!memory) return Failure(memory.error());
    memory_ = std::move(*memory);
    slot_size_ = slot_size;
  }
  const int fd = memory_.fd.get();
  return frames_.send(Type::kRing, encode(protocol::Ring{protocol::kRingSlots, slot_size_}),
                      {&fd, 1});
}

protocol::InRing RingSender::place(std::string_view bytes) const {
  return {.slot = slot_,
          .length = static_cast<std::uint32_t>(bytes.size()),
          .checksum = checksum(bytes)};
}

Result<Pumped> RingSender::send(Type type, std::string_view body, std::span<const int> fds) {
  const auto sent = frames_.send(type, body, fds);
  if (sent && *sent == Pumped::kSent) slot_ = (slot_ + 1) % protocol::kRingSlots;
  return sent;
}

}  // namespace handoff::io
