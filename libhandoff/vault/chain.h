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

  // The chain is these bytes, of which the first has that position. Those that it has already it
  // does not copy. Blocks that the slot before needs are listed in `later`, to be given back after
  // the commit. False: there is no memory.
  bool set(Blocks& blocks, std::uint64_t from, std::string_view bytes,
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
