// Numbers as they stand in requests, read as strictly as Redis reads them.
#ifndef HANDOFF_EXAMPLES_KV_NUMBER_H
#define HANDOFF_EXAMPLES_KV_NUMBER_H

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace kv {

// A signed 64-bit integer in its one canonical form: no "+1", no "01", no "-0", no spaces.
std::optional<std::int64_t> parse_integer(std::string_view text);

// A finite decimal number.
std::optional<double> parse_decimal(std::string_view text);

// Room for the decimal digits of any 64-bit integer.
using Digits = std::array<char, 24>;
std::string_view format_integer(std::int64_t value, Digits& room);

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_NUMBER_H
