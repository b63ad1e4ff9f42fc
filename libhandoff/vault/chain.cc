#include "libhandoff/vault/chain.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace handoff::vault {

namespace {

// A chain that has had more blocks than this gives its list of them back.
constexpr std::size_t kKept = 64;

}  // namespace

struct Chain::Open {
  std::vector<std::uint32_t> blocks = {};
  std::size_t first = 0;   // of blocks, those before it are given back
  std::uint64_t from = 0;  // position of the first byte that may be asked for
  std::uint64_t end = 0;   // position behind the last byte
  std::size_t room = 0;    // of the last block
  XXH64_state_t sum = {};  // of the last block
};

Chain::Chain() = default;
Chain::Chain(Chain&&) noexcept = default;
Chain::~Chain() = default;

void Chain::clear(std::vector<std::uint32_t>& later) {
  if (!open_) return;
  Open& o = *open_;
  later.insert(later.end(), o.blocks.begin() + static_cast<std::ptrdiff_t>(o.first),
               o.blocks.end());
  o.blocks.clear();
  o.first = o.room = 0;
  o.from = o.end = 0;
  if (o.blocks.capacity() > kKept) open_.reset();
}

void Chain::drop_front(const Blocks& blocks, std::uint64_t from,
                       std::vector<std::uint32_t>& later) {
  Open& o = *open_;
  while (o.first < o.blocks.size()) {
    const Block& block = blocks.header(o.blocks[o.first]);
    if (block.position + block.capacity > from) break;
    later.push_back(o.blocks[o.first++]);
  }
  o.from = from;
  if (o.first < kKept || o.first < o.blocks.size() / 2) return;
  o.blocks.erase(o.blocks.begin(), o.blocks.begin() + static_cast<std::ptrdiff_t>(o.first));
  o.first = 0;
}

bool Chain::append(Blocks& blocks, std::string_view bytes) {
  constexpr std::size_t kReserve = 2000;
  Open& o = *open_;
  while (!bytes.empty()) {
    if (o.room == 0) {
      // A chain that grows by little gets larger blocks the longer it is.
      const auto wanted = std::min<std::size_t>((o.end - o.from) / 8, kReserve);
      o.blocks.reserve(o.blocks.size() + 1);
      const std::uint32_t number = blocks.take(std::max(bytes.size(), wanted));
      if (number == 0) return false;
      Block& block = blocks.header(number);
      block.position = o.end;
      block.sum = 0;
      if (o.first < o.blocks.size()) store(blocks.header(o.blocks.back()).next, number);
      o.blocks.push_back(number);
      o.room = block.capacity;
      XXH64_reset(&o.sum, 0);
    }
    const std::uint32_t last = o.blocks.back();
    Block& block = blocks.header(last);
    const std::size_t n = std::min(o.room, bytes.size());
    std::memcpy(blocks.bytes(last) + (block.capacity - o.room), bytes.data(), n);
    XXH64_update(&o.sum, bytes.data(), n);
    bytes.remove_prefix(n);
    o.end += n;
    o.room -= n;
    if (o.room == 0) block.sum = XXH64_digest(&o.sum);
  }
  return true;
}

std::uint64_t Chain::from() const { return open_ ? open_->from : 0; }
std::uint64_t Chain::end() const { return open_ ? open_->end : 0; }

bool Chain::set(Blocks& blocks, std::uint64_t from, std::uint64_t size, std::string_view tail,
                std::vector<std::uint32_t>& later, Part& part) {
  const std::uint64_t end = from + size;
  // Nothing of what there was is asked for any more.
  if (open_ && (from >= open_->end || from < open_->from || end < open_->end)) clear(later);
  if (!open_) open_ = std::make_unique<Open>();
  if (open_->blocks.empty()) {
    open_->from = open_->end = from;
  } else {
    drop_front(blocks, from, later);
  }
  const std::uint64_t more = end - open_->end;
  if (more > tail.size()) return false;
  if (!append(blocks, tail.substr(tail.size() - more))) return false;
  part.size = static_cast<std::uint32_t>(size);
  part.block = open_->blocks[open_->first];
  part.sum = XXH64_digest(&open_->sum);
  return true;
}

}  // namespace handoff::vault
