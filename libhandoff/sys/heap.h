// The heap of an heir that restores sessions, grown in larger steps than by page faults.
//
// Each page that malloc(3) hands out for the first time is a fault of its own: half of the time
// that a session with 16 KiB of state takes. The pages by which the program break has moved are
// new, and wanted at once: they are brought in together (madvise(2), MADV_POPULATE_WRITE), which
// has made such a handoff a fifth shorter. An allocator that takes its memory from elsewhere, or a
// thread with an arena of its own, sees no difference.
#pragma once

#include <cstddef>
#include <cstdint>

namespace handoff::io {

class Heap {
 public:
  // malloc(3) moves the break by 128 KiB and what it needs. Who moves it further may not want all
  // of that yet.
  static constexpr std::size_t kMaxStep = std::size_t{1} << 20;

  // After each session: brings in what the heap has grown by since the call before. The first call
  // of an object brings in nothing. Whether it worked shows in nothing but time.
  void populate();

 private:
  std::uintptr_t end_ = 0;
};

}  // namespace handoff::io
