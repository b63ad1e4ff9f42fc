// How large the history becomes: when its file is rotated, and how many older files stay.
#pragma once

#include <cstdint>

namespace handoff::supervisor {

struct JournalLimits {
  static constexpr int kMostKept = 100;
  std::uint64_t size = 16'000'000;  // bytes: about 20,000 records
  int keep = 4;
  friend bool operator==(const JournalLimits&, const JournalLimits&) = default;
};

}  // namespace handoff::supervisor
