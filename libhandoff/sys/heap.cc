#include "libhandoff/sys/heap.h"

#include <sys/mman.h>
#include <unistd.h>

#include <utility>

namespace handoff::io {

void Heap::populate() {
  void* const now = ::sbrk(0);
  const auto end = reinterpret_cast<std::uintptr_t>(now);
  const std::uintptr_t before = std::exchange(end_, end);
  if (before == 0 || end <= before || end - before > kMaxStep) return;
#ifdef MADV_POPULATE_WRITE  // Linux 5.14; an older kernel says EINVAL
  // malloc's break is page-aligned; if another thread has given the pages back, this is ENOMEM.
  (void)::madvise(static_cast<char*>(now) - (end - before), end - before, MADV_POPULATE_WRITE);
#endif
}

}  // namespace handoff::io
