// An heir without libhandoff, which writes its own frames.
#pragma once

#include <cstdint>

namespace handoff::test {

// Registers with the supervisor as any heir does, and then offers the donor only a wire version
// that does not exist yet.
void speak_another_protocol();

// Registers, and says on its control socket that it owns the sessions as soon as its donor greets
// it. On the channel it says nothing.
void only_claim();
// Says on the control socket that this process was given that it owns the sessions.
class Claim {
 public:
  // Before the library takes the environment away.
  Claim();
  void say() const;

 private:
  int control_;
  std::uint64_t generation_;
};

}  // namespace handoff::test
