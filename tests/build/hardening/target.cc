// Mistakes that a compiler can't see, and that end a hardened program.
#include "target.h"

#include <cstdlib>
#include <cstring>
#include <vector>

char copied_to_heap(const char* from, std::size_t length, std::size_t size) {
  char* const to = static_cast<char*>(std::malloc(size));
  std::memcpy(to, from, length);
  const char last = to[length - 1];
  std::free(to);
  return last;
}

char copied_to_stack(const char* from) {
  char to[16];
  // A loop over volatile bytes is neither fortified nor optimized, so that only the stack protector
  // can stop it.
  volatile char* next = to;
  while ((*next++ = *from++) != '\0') {
  }
  return to[0];
}

int element(std::size_t index) {
  const std::vector<int> four{1, 2, 3, 4};
  return four[index];
}
