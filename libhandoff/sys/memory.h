// Shared memory between donor and heir, always a sealed memfd: a mapping of something that the peer
// can shrink would be a SIGBUS at its whim (memfd_create(2), "File sealing").
//
// Three uses: a Blob for session state that does not fit a frame, written once and then immutable;
// the Ring through whose slots section chunks and large Sessions travel, reused as the heir
// acknowledges; and the Deed (handoff/deed.h), which both write.
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
// Maps what a peer says is a blob of at least size bytes; checks the seals and the size.
Result<Mapping> map_blob(int fd, std::size_t size);

struct RingMemory {
  UniqueFd fd;
  Mapping mapping;
};
// Zeroed, writable, of a fixed size.
Result<RingMemory> make_ring(std::size_t size);
// The heir's view, read-only.
Result<Mapping> map_ring(int fd, std::size_t size);
// The same, writable. HANDOFF_ERR_PROTOCOL also if the peer sealed it against writing.
Result<Mapping> map_shared(int fd, std::size_t size);

std::uint64_t checksum(std::string_view bytes);
std::uint64_t checksum(std::string_view a, std::string_view b, std::string_view c);

}  // namespace handoff::io
