// Progressive: which sessions are the newer process's at a share of so many in a thousand. By the
// session's id alone, so that both sides agree without a word, a session that has moved at 1 %
// stays moved at 10 %, and whoever takes the share back gets the very same ones.
#pragma once

#include <cstdint>

namespace handoff::core {

inline constexpr std::uint32_t kAll = 1000;

// 0 to 999, as good as evenly spread over ids that count upwards.
constexpr std::uint32_t place_of(std::uint64_t id) {
  std::uint64_t x = id + 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return static_cast<std::uint32_t>((x ^ (x >> 31)) % kAll);
}

constexpr bool is_the_newer_ones(std::uint64_t id, std::uint32_t permille) {
  return place_of(id) < permille;
}

}  // namespace handoff::core
