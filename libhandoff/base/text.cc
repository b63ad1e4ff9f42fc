#include "libhandoff/base/text.h"

#include <array>
#include <cstdint>

namespace handoff {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// The length of the character that the text begins with; 0 if that is no UTF-8.
std::size_t character(std::string_view text) {
  const auto at = [&](std::size_t k) -> unsigned {
    return k < text.size() ? static_cast<unsigned char>(text[k]) : 0U;
  };
  const unsigned first = at(0);
  if (first < 0x80) return text.empty() ? 0 : 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  // The range of the second byte excludes overlong forms, surrogates, and what is above U+10FFFF.
  const unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (at(1) < low || at(1) > high) return 0;
  for (std::size_t k = 2; k < length; ++k) {
    if ((at(k) & 0xc0) != 0x80) return 0;
  }
  return length;
}

// Of a character in valid UTF-8.
std::uint32_t code_point(std::string_view character) {
  static constexpr std::array<unsigned char, 5> kBits{0, 0x7f, 0x1f, 0x0f, 0x07};
  std::uint32_t out = static_cast<unsigned char>(character[0]) & kBits[character.size()];
  for (const char byte : character.substr(1)) {
    out = out << 6 | (static_cast<unsigned char>(byte) & 0x3fU);
  }
  return out;
}

bool is_control(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) ||        // C0, DEL, C1
         c == 0x061c || c == 0x200e || c == 0x200f ||  // marks of direction
         (c >= 0x202a && c <= 0x202e) ||               // embeddings and overrides
         (c >= 0x2066 && c <= 0x2069) ||               // isolates
         c == 0x2028 || c == 0x2029;                   // separators of lines, paragraphs
}

std::string escape_of_byte(unsigned char byte) {
  switch (byte) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return {'\\', 'x', kHex[byte >> 4], kHex[byte & 0xf]};
  }
}

std::string escape_of(std::uint32_t c) {
  if (c < 0x20) return escape_of_byte(static_cast<unsigned char>(c));
  return {'\\', 'u', kHex[c >> 12 & 0xf], kHex[c >> 8 & 0xf], kHex[c >> 4 & 0xf], kHex[c & 0xf]};
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = character(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  out.reserve(text.size() < limit ? text.size() : limit);
  while (!text.empty()) {
    const std::size_t length = character(text);
    std::string escape;
    std::string_view piece = text.substr(0, length);
    if (length == 0) {
      piece = escape = escape_of_byte(static_cast<unsigned char>(text.front()));
    } else if (const std::uint32_t c = code_point(piece); is_control(c)) {
      piece = escape = escape_of(c);
    }
    if (piece.size() > limit - out.size()) break;
    out += piece;
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

}  // namespace handoff
