// How processes end in the timelines of these tests.
#pragma once

#include "supervisor/core/exit.h"

namespace handoff::supervisor {

inline const Exit kStatus0{.number = 0};
inline const Exit kStatus3{.number = 3};
inline const Exit kSegv{.signalled = true, .number = 11};
inline const Exit kDumped{.signalled = true, .number = 11, .core_dumped = true};
inline const Exit kKilled{.signalled = true, .number = 9};

}  // namespace handoff::supervisor
