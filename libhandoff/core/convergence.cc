#include "libhandoff/core/convergence.h"

#include <algorithm>
#include <utility>

namespace handoff::core {

Duration Convergence::copying(double bytes) const {
  if (bytes_ == 0) return 0;
  return static_cast<Duration>(bytes / static_cast<double>(bytes_) *
                               static_cast<double>(copying_us_));
}

void Convergence::add(const RoundSeen& round) {
  ++rounds_;
  bytes_ += round.bytes;
  copying_us_ += std::max<Duration>(round.copying, 1);
  if (rounds_ == 1) {
    // Nobody knows what has changed meanwhile; at worst, all of it.
    before_ = copying_us_;
    if (round.bytes == 0) rest_ = 0;
  } else {
    // What came while the round before was under way comes while this one is, by their lengths.
    const double grown = static_cast<double>(round.bytes) * static_cast<double>(round.took) /
                         static_cast<double>(std::max<Duration>(last_took_, 1));
    if (rest_) before_ = *rest_;
    rest_ = copying(grown);
  }
  last_took_ = round.took;
}

// A round that leaves more than three quarters of what was left costs more than it saves: the
// sections change nearly as fast as they are copied.
bool Convergence::another() const {
  if (rounds_ >= kMost) return false;
  if (!rest_) return before_ > kLittle;
  return *rest_ > kLittle && (rounds_ == 1 || *rest_ <= before_ / 4 * 3);
}

Duration Convergence::foresee(const RoundSeen& first, std::uint64_t changed) {
  Convergence seen;
  seen.add(first);
  Duration rest = seen.copying(static_cast<double>(changed));
  const double rate = static_cast<double>(changed) /
                      static_cast<double>(std::max<Duration>(first.took, 1));  // bytes per us
  Duration before = seen.before_;
  for (std::uint32_t round = 1; round < kMost; ++round) {
    if (rest <= kLittle || rest > before / 4 * 3) break;
    // A round takes what it copies, and its answer.
    const Duration took = rest + kLittle;
    before = std::exchange(rest, seen.copying(rate * static_cast<double>(took)));
  }
  return rest;
}

}  // namespace handoff::core
