#include "libhandoff/core/typical.h"

#include <bit>

namespace handoff::core {

// Below kSteps each number has a bucket of its own; from there on the three bits after the first.
void Typical::add(std::uint64_t ns) {
  std::uint64_t bucket = ns;
  if (ns >= kSteps) {
    const auto octave = static_cast<unsigned>(std::bit_width(ns)) - 4;
    bucket = kSteps + octave * kSteps + ((ns >> octave) - kSteps);
  }
  ++buckets_[bucket];
  ++count_;
}

std::uint64_t Typical::ns() const {
  std::uint64_t left = count_ / 2;
  for (std::uint64_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    if (buckets_[bucket] <= left) {
      left -= buckets_[bucket];
      continue;
    }
    if (bucket < kSteps) return bucket;
    const std::uint64_t octave = (bucket - kSteps) / kSteps;
    return (kSteps + (bucket - kSteps) % kSteps) << octave;
  }
  return 0;
}

}  // namespace handoff::core
