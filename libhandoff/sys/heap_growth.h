// Brings in the new pages of an heir's heap in steps, instead of by page faults.
//
// Each page that malloc(3) hands out for the first time costs a page fault. With 16 KiB of state
// faults are half of the time that a session takes to restore. The pages by which the program break
// has moved are new and wanted at once, so madvise(2) with MADV_POPULATE_WRITE brings them in
// together, which makes such a handoff a fifth shorter (docs/decisions/0023). An allocator that
// does not use the break, or a thread with an arena of its own, sees no difference.
#pragma once

#include <cstddef>
#include <cstdint>

namespace handoff::io {

class HeapGrowth {
 public:
  // malloc(3) moves the break by 128 KiB and what it needs. A step over 1 MiB is one large
  // allocation, not all of which may be wanted, so its pages are left alone.
  static constexpr std::size_t kMaxStep = std::size_t{1} << 20;

  // Call it after each session: brings in the pages by which the heap has grown since the call
  // before. An object's first call brings in nothing. A failure is no error: it costs only time.
  void populate();

 private:
  std::uintptr_t end_ = 0;
};

}  // namespace handoff::io
