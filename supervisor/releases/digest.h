// SHA-256, as hex digits: which file, which text it is.
#pragma once

#include <string>
#include <string_view>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

// Of the whole file, wherever it is positioned. name is for messages.
Result<std::string> digest(int fd, const std::string& name);
std::string digest(std::string_view text);

}  // namespace handoff::supervisor
