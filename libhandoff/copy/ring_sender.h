// The donor's end of the ring: shared memory in whose slots chunks of sections and large frames of
// sessions lie, one ring for each channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "libhandoff/base/result.h"
#include "libhandoff/copy/frame_sender.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/sys/memory.h"

namespace handoff::io {

class RingSender {
 public:
  explicit RingSender(FrameSender& frames) : frames_(frames) {}
  RingSender(const RingSender&) = delete;
  RingSender& operator=(const RingSender&) = delete;

  bool made() const { return memory_.fd.valid(); }
  // Makes the ring, once, and sends the message Ring.
  Result<Pumped> announce(std::uint32_t slot_size);
  // The next slot. The heir has applied what lay there, since at most a window of frames is
  // unacknowledged.
  char* slot() const { return memory_.mapping.data() + std::size_t{slot_} * slot_size_; }
  // How a frame speaks of these bytes, which lie in the next slot.
  protocol::InRing place(std::string_view bytes) const;
  // Sends a frame that speaks of the next slot.
  Result<Pumped> send(protocol::Type type, std::string_view body, std::span<const int> fds = {});

 private:
  FrameSender& frames_;
  RingMemory memory_;
  std::uint32_t slot_ = 0;
  std::uint32_t slot_size_ = 0;
};

}  // namespace handoff::io
