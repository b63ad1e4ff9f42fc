// What the page's listener answers to HTTP: the page itself, and the way to a WebSocket (RFC 6455,
// 4.2). One request on a connection.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace chat {

inline constexpr std::size_t kMaxHead = 8192;  // of a request

struct Answer {
  std::string bytes;
  bool talks = false;  // the connection is a WebSocket from now on; else it ends
};

// head: a request up to its empty line, which is part of it.
Answer answer(std::string_view head);
// To a head of more than kMaxHead bytes.
Answer too_long();

}  // namespace chat
