#include "libhandoff/core/convergence.h"

#include <algorithm>

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
  took_ += round.took;
  copied_ = copying(static_cast<double>(round.bytes));
}

bool Convergence::another() const {
  if (rounds_ >= kMost) return false;
  const Duration rest = rest_.value_or(before_);
  if (rounds_ == 1) return rest > kLittle;
  // A round that leaves more than three quarters of what was left costs more than it saves: the
  // sections change nearly as fast as they are copied.
  if (rest > kLittle && rest <= before_ / 4 * 3) return true;
  // A rest says what comes at the usual pace. But a long round keeps clients waiting, who catch up
  // in the short ones after it. Beside the long one these cost nothing.
  return copied_ > kLittle && last_took_ <= took_ / 16;
}

Duration Convergence::foresee(const RoundSeen& first, std::uint64_t changed) {
  Convergence seen;
  seen.add(first);
  const double each_us =
      static_cast<double>(changed) / static_cast<double>(std::max<Duration>(first.took, 1));
  std::uint64_t bytes = changed;
  while (seen.another()) {
    // A round takes what it copies, and its answer.
    const Duration copies = seen.copying(static_cast<double>(bytes));
    const Duration took = copies + kLittle;
    seen.add({.took = took, .copying = copies, .bytes = bytes});
    bytes = std::min(first.bytes, static_cast<std::uint64_t>(each_us * static_cast<double>(took)));
  }
  return seen.copying(static_cast<double>(bytes));
}

}  // namespace handoff::core
