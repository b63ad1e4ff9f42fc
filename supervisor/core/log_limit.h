// How much one service may put into the log by what it says and does: a burst, then a line now and
// then. What is left out is counted, and told with the next line.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "supervisor/core/time.h"

namespace handoff::supervisor {

class LogLimit {
 public:
  static constexpr std::uint64_t kBurst = 20;
  static constexpr Duration kEach = std::chrono::seconds(1);

  // How many lines were left out before this one; nullopt if this one is left out, too.
  std::optional<std::uint64_t> admit(Time now) {
    const auto earned = static_cast<std::uint64_t>((now - since_) / kEach);
    if (earned > 0) {
      room_ = std::min(room_ + earned, kBurst);
      since_ = now;
    }
    if (room_ == 0) {
      ++left_out_;
      return std::nullopt;
    }
    --room_;
    return std::exchange(left_out_, 0);
  }

 private:
  std::uint64_t room_ = kBurst;
  std::uint64_t left_out_ = 0;
  Time since_{};
};

}  // namespace handoff::supervisor
