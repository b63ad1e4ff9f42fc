// The heir's end of the ring: shared memory in whose slots chunks of sections and large frames of
// sessions lie, one ring for each channel.
//
// The donor can write to a slot at any time, also while the heir reads it. A reader that looks
// twice (first a length, then as many bytes) could then be led beyond its bounds. So the heir
// copies the bytes first, checks the copy, and nobody reads anything else.
#pragma once

#include <cstdint>
#include <memory>
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
  // A copy of the bytes in a slot, which are as announced. Valid until the next call.
  Result<std::string_view> take(const char* what, const protocol::InRing& place);

 private:
  Mapping memory_;
  std::unique_ptr<char[]> copy_;  // of one slot
  std::uint32_t slots_ = 0;
  std::uint32_t slot_size_ = 0;
};

}  // namespace handoff::io
