// How often within a while, as people write it: "5/min".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "supervisor/core/time.h"

namespace handoff::supervisor {

struct Rate {
  int most = 0;
  Duration per{};
  friend bool operator==(const Rate&, const Rate&) = default;
};

// "5/s", "5/min", "5/h", or a duration for longer whiles: "5/10m". 1 to 100 times. nullopt for
// anything else.
std::optional<Rate> parse_rate(std::string_view text);

// What parse_rate() takes, for error messages.
inline constexpr std::string_view kRateHelp = "so often within a while: 5/min, 10/h, 3/10m";

// As parse_rate() takes it.
std::string format_rate(const Rate& rate);

}  // namespace handoff::supervisor
