// Bytes of a stream in the blocks of a vault: appended to at the end, given back at the front.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "libhandoff/vault/blocks.h"

namespace handoff::vault {

class Chain {
 public:
  Chain();
  Chain(Chain&&) noexcept;
  Chain& operator=(Chain&&) = delete;
  ~Chain();

  // What the chain has; of no size if it has nothing.
  std::uint64_t from() const;
  std::uint64_t end() const;
  // The chain is `size` bytes from that position on, of which tail are the last: those before it
  // has already, and of tail it copies what it has not. Blocks that only the slot before needs are
  // listed in `later`, to be given back after the commit. False: there is no memory.
  bool set(Blocks& blocks, std::uint64_t from, std::uint64_t size, std::string_view tail,
           std::vector<std::uint32_t>& later, Part& part);
  void clear(std::vector<std::uint32_t>& later);

 private:
  struct Open;
  bool append(Blocks& blocks, std::string_view bytes);
  void drop_front(const Blocks& blocks, std::uint64_t from, std::vector<std::uint32_t>& later);

  // What there is of a chain while it has blocks: few sessions have one.
  std::unique_ptr<Open> open_;
};

}  // namespace handoff::vault
