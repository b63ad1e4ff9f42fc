#include "libhandoff-tls/sys/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

#include "libhandoff-tls/base/secret.h"

namespace handoff::tls {
namespace {

constexpr std::size_t kPage = 4096;

std::size_t class_of(std::size_t size, std::size_t smallest) {
  return static_cast<std::size_t>(
      std::countr_zero(std::bit_ceil(std::max(size, smallest)) / smallest));
}

}  // namespace

Arena& Arena::instance() {
  static Arena* const arena = new Arena;
  return *arena;
}

// The mutex is held. NULL if there is no memory.
std::uint8_t* Arena::map(std::size_t size, std::size_t block) {
  chunks_.reserve(chunks_.size() + 1);
  void* const memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  // Without either, keys could get out. So there is no arena without them (Linux 4.14 has both).
  if (::madvise(memory, size, MADV_DONTDUMP) != 0 ||
      ::madvise(memory, size, MADV_WIPEONFORK) != 0) {
    ::munmap(memory, size);
    return nullptr;
  }
  // RLIMIT_MEMLOCK is often 8 MiB. Keys that may be swapped out are better than no service.
  if (::mlock(memory, size) != 0) unlocked_ += size;
  mapped_ += size;
  const Chunk chunk{reinterpret_cast<std::uintptr_t>(memory), size, block};
  lowest_ = std::min<std::uintptr_t>(lowest_, chunk.begin);
  highest_ = std::max<std::uintptr_t>(highest_, chunk.begin + size);
  const auto place =
      std::upper_bound(chunks_.begin(), chunks_.end(), chunk,
                       [](const Chunk& a, const Chunk& b) { return a.begin < b.begin; });
  chunks_.insert(place, chunk);
  return static_cast<std::uint8_t*>(memory);
}

std::vector<Arena::Chunk>::const_iterator Arena::find(const void* p) const {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  const auto after =
      std::upper_bound(chunks_.begin(), chunks_.end(), address,
                       [](std::uintptr_t at, const Chunk& c) { return at < c.begin; });
  if (after == chunks_.begin()) return chunks_.end();
  const auto chunk = std::prev(after);
  return address - chunk->begin < chunk->size ? chunk : chunks_.end();
}

void* Arena::allocate(std::size_t size) try {
  const std::lock_guard lock(mutex_);
  if (size > SIZE_MAX / 2) return nullptr;
  const std::size_t index = class_of(size, kSmallest);
  if (index >= kClasses) {
    const std::size_t pages = (size + kPage - 1) / kPage * kPage;
    return map(pages, pages);
  }
  std::vector<void*>& blocks = free_[index];
  if (blocks.empty()) {
    const std::size_t block = kSmallest << index;
    const std::size_t more = kChunk / block;
    blocks.reserve(blocks_[index] + more);  // free() must not need memory
    std::uint8_t* const chunk = map(kChunk, block);
    if (chunk == nullptr) return nullptr;
    blocks_[index] += more;
    for (std::size_t i = more; i-- > 0;) blocks.push_back(chunk + i * block);
  }
  void* const p = blocks.back();
  blocks.pop_back();
  return p;
} catch (const std::bad_alloc&) {
  return nullptr;
}

void Arena::free(void* p) {
  if (p == nullptr) return;
  const std::lock_guard lock(mutex_);
  const auto chunk = find(p);
  if (chunk == chunks_.end()) return;
  wipe(p, chunk->block);
  if (chunk->block < chunk->size) {
    free_[class_of(chunk->block, kSmallest)].push_back(p);
    return;
  }
  mapped_ -= chunk->size;
  ::munmap(p, chunk->size);
  chunks_.erase(chunk);
}

std::size_t Arena::size_of(const void* p) const {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  if (address < lowest_ || address >= highest_) return 0;
  const std::lock_guard lock(mutex_);
  const auto chunk = find(p);
  return chunk == chunks_.end() ? 0 : chunk->block;
}

std::size_t Arena::mapped() const {
  const std::lock_guard lock(mutex_);
  return mapped_;
}

std::size_t Arena::unlocked() const {
  const std::lock_guard lock(mutex_);
  return unlocked_;
}

}  // namespace handoff::tls
