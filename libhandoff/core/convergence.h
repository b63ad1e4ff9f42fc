// How the copy of what changes all the time comes to its end: whether another round pays, and how
// long the freeze would copy what is left.
//
// What changes while one round is under way is copied by the next one. So two rounds tell how fast
// the sections change, and each tells how fast they are copied. If they change half as fast as
// they are copied, each round leaves half of what the one before has left. Pre-copy of virtual
// machines knows the same bound (Clark et al., Live Migration of Virtual Machines, NSDI 2005).
#pragma once

#include <optional>

#include "libhandoff/core/types.h"

namespace handoff::core {

// One round of a copy, over.
struct RoundSeen {
  Duration took = 0;        // from its begin to the heir's Copied
  Duration copying = 0;     // of that: since its first section was asked
  std::uint64_t bytes = 0;  // that sections gave
};

class Convergence {
 public:
  // So little is copied in the freeze: it is lost among what the switch costs anyway.
  static constexpr Duration kLittle = 1000;
  static constexpr std::uint32_t kMost = 16;  // rounds

  void add(const RoundSeen& round);

  // Whether the sections are copied again before the freeze.
  bool another() const;
  // How long the freeze would copy what they have changed; none if nobody knows yet.
  std::optional<Duration> rest() const { return rest_; }

  // What would be left when no further round pays, if this was the first, and the sections have
  // changed by so much in it.
  static Duration foresee(const RoundSeen& first, std::uint64_t changed);

  friend bool operator==(const Convergence&, const Convergence&) = default;

 private:
  // Bytes in microseconds, at the rate of all rounds so far.
  Duration copying(double bytes) const;

  std::uint32_t rounds_ = 0;
  Duration took_ = 0;  // all rounds
  Duration last_took_ = 0;
  Duration copying_us_ = 0;  // all rounds
  std::uint64_t bytes_ = 0;
  std::optional<Duration> rest_;
  Duration before_ = 0;  // what the round before had left
  Duration copied_ = 0;  // by the last round
};

}  // namespace handoff::core
