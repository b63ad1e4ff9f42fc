#include "libhandoff/sys/heap_growth.h"

#include <sys/mman.h>
#include <unistd.h>

#include <utility>

namespace handoff::io {

void HeapGrowth::populate() {
  void* const now = ::sbrk(0);
  const auto end = reinterpret_cast<std::uintptr_t>(now);
  const std::uintptr_t before = std::exchange(end_, end);
  if (before == 0 || end <= before || end - before > kMaxStep) return;
#ifdef MADV_POPULATE_WRITE  // Linux 5.14; an older kernel says EINVAL
  // malloc(3) keeps the break page-aligned, as madvise(2) needs. If another thread has given the
  // pages back meanwhile, the kernel says ENOMEM, which costs nothing but the gain.
  (void)::madvise(static_cast<char*>(now) - (end - before), end - before, MADV_POPULATE_WRITE);
#endif
}

}  // namespace handoff::io
