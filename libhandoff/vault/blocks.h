// Where the writer of a vault gets its blocks from: pieces of a lane's memory from 128 bytes to
// 16 KiB, 24 of them a header.
//
// What is free is known in the process's own memory alone: a recovery follows references, and
// begins a vault of its own. Pages of 64 KiB have blocks of one size each; a page without any goes
// to whoever needs one next, and back to the kernel where there are many.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "libhandoff/vault/layout.h"
#include "libhandoff/vault/memory.h"

namespace handoff::vault {

class Blocks {
 public:
  static constexpr std::size_t kLargest = (std::size_t{16} << 10) - sizeof(Block);

  // Borrows lane.
  explicit Blocks(const Span& lane) : lane_(lane) { pages_.resize(1); }

  // A block for so many bytes, or for the first of them: its number, with next and capacity set. 0:
  // there is no memory.
  std::uint32_t take(std::size_t bytes);
  void give_back(std::uint32_t number);
  Block& header(std::uint32_t number) const {
    return *reinterpret_cast<Block*>(lane_.data() + kBlocksAt + number * kBlockUnit);
  }
  char* bytes(std::uint32_t number) const {
    return reinterpret_cast<char*>(&header(number)) + sizeof(Block);
  }
  // Bytes of memory that are allocated.
  std::uint64_t allocated() const { return std::uint64_t{backed_} * kPage; }

 private:
  static constexpr std::uint64_t kPage = std::uint64_t{64} << 10;
  static constexpr std::uint32_t kUnits = kPage / kBlockUnit;
  static constexpr std::size_t kClasses = 19;

  struct Page {
    std::array<std::uint64_t, kUnits / 64> free = {};
    std::uint32_t previous = 0;  // of the pages of its size that have room; 0: none
    std::uint32_t next = 0;
    std::uint16_t units = 0;  // of a block; 0: the page is nobody's
    std::uint16_t used = 0;
    bool backed = false;
  };

  static std::uint32_t units_for(std::size_t bytes);
  static std::size_t class_of(std::uint32_t units);
  std::uint32_t new_page(std::uint32_t units);
  void link(std::uint32_t page);
  void unlink(std::uint32_t page);
  void retire(std::uint32_t page);

  const Span& lane_;
  std::vector<Page> pages_;            // the first is none: a number of 0 says so
  std::vector<std::uint32_t> unused_;  // that are nobody's
  std::array<std::uint32_t, kClasses> with_room_ = {};
  std::uint32_t backed_ = 0;
  std::uint32_t idle_ = 0;  // of unused_, those that are backed
};

}  // namespace handoff::vault
