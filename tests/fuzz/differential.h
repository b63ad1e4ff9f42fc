// A body read by both: the library's own reader and libprotobuf, on the same specification.
#pragma once

#include <string_view>

#include "libhandoff/protocol/frame.h"

namespace handoff::fuzz {

// Checks that both accept the body and read the same values, or that both refuse it. Two
// differences are allowed: those of oddity.h, and the limits of PROTOCOL.md, which libprotobuf does
// not know. What the library writes for the values that it has read, it must read as the same
// values.
void compare_readers(protocol::Type type, std::string_view body);

// Whether the library refused a body for a limit of PROTOCOL.md.
bool is_a_limit(std::string_view error);

// Call it before the first input: libprotobuf prints on stderr what it refuses.
void be_quiet();

}  // namespace handoff::fuzz
