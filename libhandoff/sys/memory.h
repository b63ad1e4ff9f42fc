// Shared memory between donor and heir, always a sealed memfd: if the peer could shrink what is
// mapped, each access could be a SIGBUS (memfd_create(2), "File sealing").
//
// Three uses. A blob holds session state that does not fit a frame, written once and then
// immutable. Section chunks and large Sessions travel through the slots of the ring, which are used
// again as the heir acknowledges. The ownership word (handoff/ownership_word.h) is written by both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::io {

// A mapping of a memfd.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  static Result<Mapping> of(int fd, std::size_t size, bool writable);
  char* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

// A memfd with these bytes one after the other, sealed against every change.
Result<UniqueFd> make_blob(std::span<const std::string_view> parts);
// Maps a peer's blob of at least size bytes, once seals and size are checked: HANDOFF_ERR_PROTOCOL
// if they are wrong. Borrows fd.
Result<Mapping> map_blob(int fd, std::size_t size);

struct RingMemory {
  UniqueFd fd;
  Mapping mapping;
};
// Zeroed, writable, of a fixed size in bytes.
Result<RingMemory> make_ring(std::size_t size);
// Takes as much memory, and gives it back at once. Where there is not so much, the kernel ends
// whoever goes first (sys/oom_score). Where the process itself may not have it, nothing happens.
void take_for_a_moment(std::size_t size);
// Maps a ring as its heir does, read-only. Borrows fd.
Result<Mapping> map_ring(int fd, std::size_t size);
// Maps memory that both sides write. HANDOFF_ERR_PROTOCOL also if the peer sealed it against
// writing. Borrows fd.
Result<Mapping> map_shared(int fd, std::size_t size);

std::uint64_t checksum(std::string_view bytes);
std::uint64_t checksum(std::string_view a, std::string_view b, std::string_view c);

}  // namespace handoff::io
