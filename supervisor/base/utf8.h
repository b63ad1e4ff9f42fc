// Whether a text can be written as JSON as it is: paths and arguments may be any bytes, but those
// that are no UTF-8 could neither be asked for over the control socket nor be kept for the next
// supervisor.
#pragma once

#include <string>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

// what: "the path", say.
Result<void> expect_utf8(const std::string& what, const std::string& text);

}  // namespace handoff::supervisor
