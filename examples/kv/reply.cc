#include "reply.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>

namespace kv {
namespace {

constexpr std::string_view kEnd = "\r\n";

// Writes TYPE DIGITS CR LF; returns the end.
char* put_line(char* out, char* limit, char type, std::int64_t value) {
  *out++ = type;
  out = std::to_chars(out, limit, value).ptr;
  return std::copy(kEnd.begin(), kEnd.end(), out);
}

}  // namespace

void Reply::line(char type, std::int64_t value) {
  std::array<char, 32> room;
  const char* end = put_line(room.data(), room.data() + room.size(), type, value);
  sink_.send({room.data(), static_cast<std::size_t>(end - room.data())});
}

void Reply::status(std::string_view text) {
  sink_.send("+");
  sink_.send(text);
  sink_.send(kEnd);
}

void Reply::error(std::string_view text) {
  std::string out = "-";
  out += text;
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
  out += kEnd;
  sink_.send(out);
}

void Reply::bulk(std::string_view value) {
  // A short value goes out in one piece with its header; a long one is not copied here.
  std::array<char, 512> room;
  char* end = put_line(room.data(), room.data() + 32, '$', static_cast<std::int64_t>(value.size()));
  if (value.size() + 34 <= room.size()) {
    end = std::copy(value.begin(), value.end(), end);
    end = std::copy(kEnd.begin(), kEnd.end(), end);
    sink_.send({room.data(), static_cast<std::size_t>(end - room.data())});
    return;
  }
  sink_.send({room.data(), static_cast<std::size_t>(end - room.data())});
  sink_.send(value);
  sink_.send(kEnd);
}

}  // namespace kv
