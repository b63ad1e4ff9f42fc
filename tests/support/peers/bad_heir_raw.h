// An heir without libhandoff: it writes its frames itself.
#pragma once

namespace handoff::test {

// Registers with the supervisor like any heir, and then offers the donor a wire version of the
// future.
void speak_another_protocol();

}  // namespace handoff::test
