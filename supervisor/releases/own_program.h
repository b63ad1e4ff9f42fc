// The programs that belong to this one, and are installed with it: handoff-unpack, handoff-vault.
#pragma once

#include <string>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {

struct OwnProgram {
  UniqueFd file;
  std::string path;
};
// Beside this program, as a build has it, or where `cmake --install` puts it. without: what can't
// be done if it is not there, for the error.
Result<OwnProgram> open_own_program(const std::string& name, const std::string& without);

}  // namespace handoff::supervisor
