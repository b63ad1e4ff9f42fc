// How an error on this side is told to the peer and the operator: its kind, and what helps.
#pragma once

#include "libhandoff/base/result.h"
#include "libhandoff/core/types.h"

namespace handoff::io {

// Whether code says that fds or memory have run out.
bool is_shortage(int code);
// The reason for an error, with what helps if it is a shortage.
core::Reason to_reason(const Error& error);
// The reason for a std::bad_alloc of the library's own, which must end the handoff in order.
core::Reason out_of_memory();

}  // namespace handoff::io
