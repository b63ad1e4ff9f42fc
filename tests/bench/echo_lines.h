// The protocol of examples/echo, for servers that are compared with it: the reply to the nth line
// `TEXT\n` is `<n> 1 TEXT\n`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

// Answers the whole lines of input, of which `lines` are counted. Returns how many bytes they are.
inline std::size_t answer(std::string_view input, std::uint64_t& lines, std::string& replies) {
  std::size_t used = 0;
  for (;;) {
    const std::size_t end = input.find('\n', used);
    if (end == std::string_view::npos) return used;
    replies += std::to_string(++lines);
    replies += " 1 ";
    replies += input.substr(used, end + 1 - used);
    used = end + 1;
  }
}

}  // namespace bench
