// Sizes of files as people write them: "64kB", "16MB"; 1 kB is 1,000 bytes, as `handoff` prints it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace handoff::supervisor {

// A whole number and a unit (kB, MB, GB, TB). nullopt for anything else.
std::optional<std::uint64_t> parse_byte_size(std::string_view text);

// What parse_byte_size() takes, for error messages.
inline constexpr std::string_view kByteSizeHelp = "a whole number with a unit: 64kB, 16MB, 1GB";

}  // namespace handoff::supervisor
