// The memory of a vault: the supervisor makes it, the service maps a span for each lane, and
// whoever recovers maps it to read.
//
// The memfd is as large as a vault can be, and sealed so: no access to it can be a SIGBUS for want
// of size. What is used is allocated first, so that a full memory is an error and no SIGBUS,
// either.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::vault {

// Empty, close-on-exec.
Result<UniqueFd> make_memory();

// A part of the memory as this process sees it. A fork has none of it: a child that ends in the
// service's own code could write there.
class Span {
 public:
  Span() = default;
  Span(Span&& other) noexcept;
  Span& operator=(Span&& other) noexcept;
  ~Span();

  // HANDOFF_ERR_PROTOCOL for memory that make_memory() has not made. Borrows fd, which must stay
  // open for allocate() and release().
  static Result<Span> map(int fd, std::uint64_t at, std::size_t size, bool writable);

  char* data() const { return data_; }
  std::span<const std::byte> bytes() const {
    return {reinterpret_cast<const std::byte*>(data_), size_};
  }
  // 0, or an errno.
  int allocate(std::uint64_t from, std::uint64_t length) const;
  // Its bytes are zero from now on, and need to be allocated again.
  void release(std::uint64_t from, std::uint64_t length) const;

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t at_ = 0;
  int fd_ = -1;
};

}  // namespace handoff::vault
