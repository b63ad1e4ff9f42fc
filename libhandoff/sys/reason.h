// What went wrong on this side, as the peer and the operator are told: its kind, and what helps.
#pragma once

#include "libhandoff/base/result.h"
#include "libhandoff/core/types.h"

namespace handoff::io {

// Something has run out: fds, memory, room for either.
bool is_shortage(int code);
// The reason that the peer and the operator are given for an error on this side: of a shortage,
// with what helps.
core::Reason to_reason(const Error& error);
// The same for a std::bad_alloc of ours: it must not leave a handoff half way.
core::Reason out_of_memory();

}  // namespace handoff::io
