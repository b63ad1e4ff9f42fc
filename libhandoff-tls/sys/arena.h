// Memory for keys: not in a core dump, not in a forked child, not in swap where the limit allows,
// and wiped when it is freed.
//
// A forked child finds zeros in place of all keys (MADV_WIPEONFORK): its sessions are inert, and
// can't use the parent's nonces. What the arena knows of its blocks lies in ordinary memory, so a
// child's arena still works.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace handoff::tls {

// Any thread may use it.
class Arena {
 public:
  // The process's. Never destroyed: OpenSSL may free its contexts after all destructors.
  static Arena& instance();

  // Zeroed memory, aligned to 16. NULL if there is none.
  void* allocate(std::size_t size);
  // Wipes and frees. p is from allocate(), or NULL.
  void free(void* p);
  // The size that allocate() has made of it; 0 if p is not from here. Takes no lock where p lies
  // below or above all of the arena: OpenSSL's frees ask it each time.
  std::size_t size_of(const void* p) const;

  // How much is mapped, and how much of it could not be locked (RLIMIT_MEMLOCK).
  std::size_t mapped() const;
  std::size_t unlocked() const;

 private:
  struct Chunk {
    std::uintptr_t begin;
    std::size_t size;
    std::size_t
        block;  // of each block in it; a chunk that is one block is unmapped when it is freed
  };
  static constexpr std::size_t kChunk = 256 << 10;
  static constexpr std::size_t kSmallest = 64;
  static constexpr std::size_t kClasses = 11;  // 64 bytes to 64 KiB

  Arena() = default;
  std::uint8_t* map(std::size_t size, std::size_t block);
  std::vector<Chunk>::const_iterator find(const void* p) const;

  mutable std::mutex mutex_;
  std::atomic<std::uintptr_t> lowest_{UINTPTR_MAX};
  std::atomic<std::uintptr_t> highest_{0};
  std::vector<Chunk> chunks_;  // in the order of their addresses
  std::vector<void*> free_[kClasses];
  std::size_t blocks_[kClasses] = {};  // free or not; room for as many is in free_
  std::size_t mapped_ = 0;
  std::size_t unlocked_ = 0;
};

// An object in the arena.
struct ArenaDelete {
  template <class T>
  void operator()(T* object) const {
    object->~T();
    Arena::instance().free(object);
  }
};
template <class T>
using InArena = std::unique_ptr<T, ArenaDelete>;

// Throws std::bad_alloc.
template <class T, class... Arguments>
InArena<T> make_in_arena(Arguments&&... arguments) {
  void* const place = Arena::instance().allocate(sizeof(T));
  if (place == nullptr) throw std::bad_alloc();
  return InArena<T>(new (place) T(std::forward<Arguments>(arguments)...));
}

}  // namespace handoff::tls
