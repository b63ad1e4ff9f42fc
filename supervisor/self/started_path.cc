#include "supervisor/self/started_path.h"

#include <fstream>

#include "supervisor/host/own_path.h"
#include "supervisor/releases/release.h"

namespace handoff::supervisor {

std::string started_path() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string program;
  std::getline(file, program, '\0');
  const auto path = find_program(program);
  return path && open_executable(*path) ? *path : own_path();
}

}  // namespace handoff::supervisor
