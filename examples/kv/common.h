// Types and constants that every part of the engine uses.
#ifndef HANDOFF_EXAMPLES_KV_COMMON_H
#define HANDOFF_EXAMPLES_KV_COMMON_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace kv {

// CLOCK_MONOTONIC in microseconds. All processes of a host share this clock, so a Time may be part
// of saved state.
using Time = std::int64_t;
inline constexpr Time kNever = 0;
inline constexpr Time kSecond = 1'000'000;

inline constexpr int kDatabases = 16;

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
template <class V>
using StringMap = std::unordered_map<std::string, V, StringHash, std::equal_to<>>;
using StringSet = std::unordered_set<std::string, StringHash, std::equal_to<>>;

struct DatabaseKey {
  int db = 0;
  std::string key;
  bool operator==(const DatabaseKey&) const = default;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_COMMON_H
