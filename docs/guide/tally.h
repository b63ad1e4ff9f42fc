// What the service of the guide is about. It knows nothing of sockets, and nothing of handoffs.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

// Adds the number in the line to the total; the answer is the new total.
inline std::string add(std::int64_t& total, std::string_view line) {
  total += std::strtoll(std::string(line).c_str(), nullptr, 10);
  return std::to_string(total) + "\n";
}
