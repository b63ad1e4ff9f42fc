// What the supervisor tells the reader of a vault on its command line.
#pragma once

#include <cstdint>
#include <set>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

struct ReaderArguments {
  std::uint64_t of = 0;                 // the generation that has died
  int memory = -1;                      // fds that it is executed with
  int keeper = -1;                      // a connection
  std::set<std::uint64_t> quarantined;  // sessions that do not go on
};

// --of GENERATION --memory FD --keeper FD [--quarantine SESSION]...
Result<ReaderArguments> read_arguments(int argc, const char* const* argv);

}  // namespace handoff::supervisor
