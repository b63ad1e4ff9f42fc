// Copies of files that are to run in place of them: blocks are shared where the file system can
// (FICLONE), mode and security.* attributes are those of the file.
#pragma once

#include <string>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

// Of what is open as from to the new file `to`, flushed to the disk, with the folders above it. A
// setuid or setgid file is refused: a copy would be one in a place that nobody looks at. path is
// the file's name for messages.
Result<void> copy_program(int from, const std::string& path, const std::string& to);

}  // namespace handoff::supervisor
