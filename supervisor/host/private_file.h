// Files of the supervisor's own, which nobody but its user may write: created as new, replaced as a
// whole, and read only where they are that user's alone.
//
// folder is open and stays the caller's; name is of a file in it. The errors say where.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

// What the file has to outlive: this process, or the host as well, which takes a flush.
enum class Outlives { kProcess, kHost };

// In place of one that lies there. A failure leaves a part of it.
Result<void> create_private(int folder, const std::string& name, std::string_view text,
                            Outlives outlives);
// Under a name of its own (NAME.new) first: whatever fails, the file is as it was.
Result<void> replace_private(int folder, const std::string& name, std::string_view text,
                             Outlives outlives);
// nullopt: there is none. Refused is a link, a file that others could have written (-EPERM), and
// one that is too large to be true (-EFBIG).
Result<std::optional<std::string>> read_private(int folder, const std::string& name);

}  // namespace handoff::supervisor
