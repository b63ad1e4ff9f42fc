#include "supervisor/core/exit.h"

#include <cstring>

namespace handoff::supervisor {

std::string describe(const Exit& exit) {
  std::string lacked;
  if (!exit.out_of_memory.empty()) {
    lacked = " (memory ran out of " + exit.out_of_memory + "; MemoryMax= gives it more)";
  }
  if (exit.unseen) return "ended" + lacked;
  if (!exit.signalled) return "exited with status " + std::to_string(exit.number);
  const char* name = ::sigabbrev_np(exit.number);
  std::string text = "was killed by ";
  text += name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(exit.number);
  if (exit.core_dumped) text += " (core dumped)";
  return text + lacked;
}

std::string code_of(const Exit& exit) {
  return exit.out_of_memory.empty() ? "exited" : "resources";
}

std::string not_ready(bool registered) {
  return registered ? ": it is ready, and does not say that it serves"
                    : ": it has not registered, as every program does that links libhandoff "
                      "(handoff_ready(); docs/guide.md shows one)";
}

}  // namespace handoff::supervisor
