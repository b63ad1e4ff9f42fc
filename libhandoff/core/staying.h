// Sessions of which their service says that they stay with the old process at a switch: a library
// has the keys of their TLS connection, say. They are counted by the reason that it gives.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace handoff::core {

struct Staying {
  std::string why;
  std::uint64_t sessions = 0;
  friend bool operator==(const Staying&, const Staying&) = default;
};

// So many reasons are told apart. The others are counted under kOtherReasons.
inline constexpr std::size_t kMaxStaying = 16;
inline constexpr const char* kOtherReasons = "other reasons";

// Counts more sessions under that reason.
void add(std::vector<Staying>& to, const Staying& more);
// Of all reasons.
std::uint64_t count(const std::vector<Staying>& all);
// "tls"; of several reasons with the numbers: "2 tls, 1 upload".
std::string reasons(const std::vector<Staying>& all);
// "1: tls", "3: 2 tls, 1 upload".
std::string describe(const std::vector<Staying>& all);

}  // namespace handoff::core
