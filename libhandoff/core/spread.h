// Which sessions belong to the newer process while a progressive upgrade has moved so many in a
// thousand.
// The session's id alone decides. So both sides agree without a message, a session that has moved
// at 1 % stays moved at 10 %, and a share that is taken back brings back the very sessions that
// went.
#pragma once

#include <cstdint>

namespace handoff::core {

inline constexpr std::uint32_t kAll = 1000;

// A number from 0 to 999, spread about evenly over ids that count upwards.
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
