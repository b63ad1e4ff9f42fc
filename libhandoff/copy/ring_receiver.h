// The heir's end of the ring: shared memory in whose slots chunks of sections and large frames of
// sessions lie, one ring for each channel.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/sys/memory.h"

namespace handoff::io {

class RingReceiver {
 public:
  // The message Ring, with its memory.
  Result<void> apply(std::string_view body, std::vector<UniqueFd>& fds);
  // Bytes in a slot, which are as announced. They stay until the frame is acknowledged.
  Result<std::string_view> at(const char* what, const protocol::InRing& place) const;

 private:
  Mapping memory_;
  std::uint32_t slots_ = 0;
  std::uint32_t slot_size_ = 0;
};

}  // namespace handoff::io
