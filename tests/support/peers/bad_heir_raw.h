// An heir without libhandoff, which writes its own frames.
#pragma once

namespace handoff::test {

// Registers with the supervisor as any heir does, and then offers the donor only a wire version
// that does not exist yet.
void speak_another_protocol();

}  // namespace handoff::test
