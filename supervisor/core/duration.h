// Durations as people write them: "250ms", "10s", "2m", "1h30m" is not one of them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "supervisor/core/time.h"

namespace handoff::supervisor {

// Longer than any timeout has to be. What one supervisor takes, the next one has to read in its
// state file.
inline constexpr Duration kLongestDuration = std::chrono::hours(24);

// A whole number and a unit (us, ms, s, m, h); at most kLongestDuration. nullopt for anything else.
std::optional<Duration> parse_duration(std::string_view text);

// What parse_duration() takes, for error messages.
inline constexpr std::string_view kDurationHelp =
    "a whole number with a unit: 250ms, 10s, 2m, 1h (us to h, at most a day)";

// For a person: "180 us", "7.1 ms", "2.30 s", "1 min 05 s".
std::string format_duration(Duration duration);

}  // namespace handoff::supervisor
