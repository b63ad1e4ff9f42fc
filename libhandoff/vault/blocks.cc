#include "libhandoff/vault/blocks.h"

#include <algorithm>
#include <bit>

namespace handoff::vault {
namespace {

constexpr std::uint32_t kSmall = 16;  // up to so many units there is a size for each number
// So many empty pages are kept, beside an eighth of those in use.
constexpr std::uint32_t kIdle = 16;

}  // namespace

// The smallest that holds all, up to 2 KiB; else the largest that is filled.
std::uint32_t Blocks::units_for(std::size_t bytes) {
  const std::size_t units = (bytes + sizeof(Block) + kBlockUnit - 1) / kBlockUnit;
  if (units <= kSmall) return static_cast<std::uint32_t>(units);
  if (units >= 128) return 128;
  return std::bit_floor(static_cast<std::uint32_t>((bytes + sizeof(Block)) / kBlockUnit));
}

std::size_t Blocks::class_of(std::uint32_t units) {
  return units <= kSmall ? units - 1 : static_cast<std::size_t>(std::bit_width(units)) + 10;
}

void Blocks::link(std::uint32_t page) {
  std::uint32_t& head = with_room_[class_of(pages_[page].units)];
  pages_[page].previous = 0;
  pages_[page].next = head;
  if (head != 0) pages_[head].previous = page;
  head = page;
}

void Blocks::unlink(std::uint32_t page) {
  Page& p = pages_[page];
  if (p.previous != 0) {
    pages_[p.previous].next = p.next;
  } else {
    with_room_[class_of(p.units)] = p.next;
  }
  if (p.next != 0) pages_[p.next].previous = p.previous;
}

std::uint32_t Blocks::new_page(std::uint32_t units) {
  std::uint32_t page = 0;
  if (unused_.empty()) {
    if ((pages_.size() + 1) * kUnits > kMaxBlocks) return 0;
    page = static_cast<std::uint32_t>(pages_.size());
    // Memory is taken first: to let go of a page must not fail.
    unused_.reserve(pages_.size() + 1);
    pages_.emplace_back();
  } else {
    page = unused_.back();
    unused_.pop_back();
  }
  Page& p = pages_[page];
  if (p.backed) {
    --idle_;
  } else if (lane_.allocate(kBlocksAt + page * kPage, kPage) != 0) {
    unused_.push_back(page);
    return 0;
  } else {
    p.backed = true;
    ++backed_;
  }
  p.units = static_cast<std::uint16_t>(units);
  p.used = 0;
  p.free.fill(0);
  for (std::uint32_t i = 0; i < kUnits / units; ++i) p.free[i / 64] |= std::uint64_t{1} << i % 64;
  link(page);
  return page;
}

std::uint32_t Blocks::take(std::size_t bytes) {
  const std::uint32_t units = units_for(bytes);
  std::uint32_t page = with_room_[class_of(units)];
  if (page == 0) page = new_page(units);
  if (page == 0) return 0;
  Page& p = pages_[page];
  std::uint32_t word = 0;
  while (p.free[word] == 0) ++word;
  const auto bit = static_cast<std::uint32_t>(std::countr_zero(p.free[word]));
  p.free[word] &= p.free[word] - 1;
  if (++p.used == kUnits / units) unlink(page);
  const std::uint32_t number = page * kUnits + (word * 64 + bit) * units;
  Block& block = header(number);
  block.next = 0;
  block.capacity = static_cast<std::uint32_t>(units * kBlockUnit - sizeof(Block));
  return number;
}

void Blocks::give_back(std::uint32_t number) {
  const std::uint32_t page = number / kUnits;
  Page& p = pages_[page];
  const std::uint32_t index = number % kUnits / p.units;
  p.free[index / 64] |= std::uint64_t{1} << index % 64;
  if (p.used-- == kUnits / p.units) link(page);
  // The last page of its size with room stays, so that one block that comes and goes costs little.
  if (p.used == 0 && (p.previous != 0 || p.next != 0)) retire(page);
}

void Blocks::retire(std::uint32_t page) {
  unlink(page);
  Page& p = pages_[page];
  p.units = 0;
  if (idle_ < kIdle + backed_ / 8) {
    ++idle_;
    unused_.push_back(page);
    return;
  }
  lane_.release(kBlocksAt + page * kPage, kPage);
  p.backed = false;
  --backed_;
  unused_.insert(unused_.begin(), page);  // those that are backed come first
}

}  // namespace handoff::vault
