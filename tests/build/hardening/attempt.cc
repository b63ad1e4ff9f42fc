// Makes one of the mistakes of target.cc, or none: attempt heap|stack|element|none.
#include <cstdio>
#include <string>
#include <string_view>

#include "target.h"

int main(int argc, char** argv) {
  const std::string_view mistake = argc > 1 ? argv[1] : "none";
  const std::string text(64, 'a');
  const bool heap = mistake == "heap", stack = mistake == "stack", index = mistake == "element";
  std::printf("%c%c%d\n", copied_to_heap(text.c_str(), text.size(), heap ? 63 : 64),
              copied_to_stack(stack ? text.c_str() : "a"), element(index ? 4 : 3));
  return 0;
}
