// A body read by both: the library's own reader and libprotobuf, on the same specification.
#pragma once

#include <string_view>

#include "libhandoff/protocol/frame.h"

namespace handoff::fuzz {

// Both accept it and read the same values, or both refuse it, or the difference is one of
// oddity.h's, or a limit of PROTOCOL.md, which libprotobuf does not know. What the library writes
// for what it has read, it reads again as the same.
void compare_readers(protocol::Type type, std::string_view body);

// Whether a refusal of the library's is no matter of protobuf.
bool is_a_limit(std::string_view error);

// Before the first input: libprotobuf says on stderr what it refuses.
void be_quiet();

}  // namespace handoff::fuzz
