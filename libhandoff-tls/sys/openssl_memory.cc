#include "libhandoff-tls/sys/openssl_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "libhandoff-tls/base/secret.h"
#include "libhandoff-tls/sys/arena.h"

namespace handoff::tls {
namespace {

thread_local bool in_arena = false;

std::size_t room_of(void* p, std::size_t in_the_arena) {
  return in_the_arena > 0 ? in_the_arena : ::malloc_usable_size(p);
}

void* allocate(std::size_t size, const char* /*file*/, int /*line*/) {
  return in_arena ? Arena::instance().allocate(size) : std::malloc(size);
}

void release(void* p, const char* /*file*/, int /*line*/) {
  if (p == nullptr) return;
  if (Arena::instance().size_of(p) > 0) return Arena::instance().free(p);
  wipe(p, ::malloc_usable_size(p));
  std::free(p);
}

// Never realloc(3), which leaves a copy behind when it moves the bytes.
void* reallocate(void* p, std::size_t size, const char* file, int line) {
  if (p == nullptr) return allocate(size, file, line);
  if (size == 0) return release(p, file, line), nullptr;
  const std::size_t in_the_arena = Arena::instance().size_of(p);
  const std::size_t room = room_of(p, in_the_arena);
  if (size <= room && size >= room / 2) return p;
  void* const moved = in_the_arena > 0 ? Arena::instance().allocate(size) : std::malloc(size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, p, std::min(size, room));
  release(p, file, line);
  return moved;
}

const bool taken = CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;

}  // namespace

bool openssl_wipes() { return taken; }

OpensslInArena::OpensslInArena() : before_(std::exchange(in_arena, taken)) {}
OpensslInArena::~OpensslInArena() { in_arena = before_; }

}  // namespace handoff::tls
