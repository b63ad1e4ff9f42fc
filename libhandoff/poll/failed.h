// A failed call of the kit, in words; caught where the C ABI ends.
#pragma once

#include <string>

namespace handoff::poll {

struct Failed {
  int code;
  std::string words;
};
// With errno.
[[noreturn]] void fail_by_errno(const std::string& what);

}  // namespace handoff::poll
