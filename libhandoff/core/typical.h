// The median of many durations, in memory that does not grow with them.
#pragma once

#include <array>
#include <cstdint>

namespace handoff::core {

// Buckets are an eighth of an octave wide, so the median is exact to an eighth. Medians are what a
// plan goes by: the first of many calls pays for cold memory, which a switch does not meet again.
class Typical {
 public:
  void add(std::uint64_t ns);
  // 0 if nothing was added.
  std::uint64_t ns() const;

 private:
  static constexpr unsigned kSteps = 8;  // in an octave

  std::array<std::uint64_t, 64 * kSteps> buckets_{};
  std::uint64_t count_ = 0;
};

}  // namespace handoff::core
