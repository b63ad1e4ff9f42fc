// What must hold, whatever the bytes. A check that fails prints itself and ends the run, also in a
// build without asserts.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace handoff::fuzz {

[[noreturn]] inline void fail(const char* file, int line, const char* what,
                              const std::string& more) {
  std::fprintf(stderr, "%s:%d: does not hold: %s\n%s\n", file, line, what, more.c_str());
  std::abort();
}

}  // namespace handoff::fuzz

// CHECK_THAT(condition, "text that says more")
#define CHECK_THAT(condition, more)                                                \
  do {                                                                             \
    if (!(condition)) ::handoff::fuzz::fail(__FILE__, __LINE__, #condition, more); \
  } while (false)
