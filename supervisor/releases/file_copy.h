// Copies of files that are to run in place of them: blocks are shared where the file system can
// (FICLONE), owner, mode and security.* attributes are those of the file.
#pragma once

#include <sys/stat.h>

#include <string>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

// Gives what lies at path to the owner of something else.
Result<void> give_to(const std::string& path, const struct stat& owner);
// Of what is open as from to the new file `to`, flushed to the disk. A setuid or setgid file is
// refused: a copy would be one in a place that nobody looks at. path is the file's name for
// messages.
Result<void> copy_program(int from, const std::string& path, const std::string& to);

}  // namespace handoff::supervisor
