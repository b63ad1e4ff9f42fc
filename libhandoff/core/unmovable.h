// Sessions that one of the two can't move: the donor's save() fails, the heir's restore() refuses,
// or a state is too large for the freeze. What becomes of them, and of the handoff.
#pragma once

#include <cstdint>
#include <string>

namespace handoff::core {

// What the operator wants. The numbers are those of Unmovable in handoff.proto.
enum class Unmovable : std::uint8_t {
  kRefuse = 0,  // the handoff fails
  kLate = 1,    // they stay with the donor, as sessions that are held
  kClose = 2,   // they are reset at the switch
};

// Which release a session that can't be moved is the fault of.
enum class FaultOf : std::uint8_t { kOld = 0, kNew = 1 };

// What it takes to keep sessions with the donor.
struct Means {
  bool holds = false;      // the donor's service has the callbacks for sessions that stay
  bool heir_links = true;  // the heir knows what a link is
};

// What is done: what is wanted, or kRefuse where that can't be.
Unmovable in_force(Unmovable wanted, const Means& means);
// Why kLate is not in force; "" if it could be.
std::string why_not_late(const Means& means);

// The heir has refused so many of the sessions that came that the fault is its release's and not
// theirs: more than half. Then the handoff fails, whatever the operator wants.
bool is_the_releases_fault(std::uint64_t refused, std::uint64_t came);

}  // namespace handoff::core
