#include "support/process/programs.h"

#include <cstdlib>

namespace handoff::test {

std::string program(const std::string& name) {
  const char* folder = std::getenv("HANDOFF_TEST_BIN");
  return std::string(folder != nullptr ? folder : TEST_PROGRAM_DIR) + "/" + name;
}

}  // namespace handoff::test
