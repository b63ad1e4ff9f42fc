#include "names.h"

#include <algorithm>

namespace chat {
namespace {

bool name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}
std::string_view trim_left(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return text;
}

}  // namespace

bool valid_name(std::string_view name) {
  return !name.empty() && name.size() <= 20 && std::all_of(name.begin(), name.end(), name_char);
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '\t') out += ' ';
    if (byte >= 0x20 && byte != 0x7f) out += c;
  }
  return out;
}

Words split_word(std::string_view text) {
  text = trim_left(text);
  const std::size_t end = std::min(text.find(' '), text.size());
  return {text.substr(0, end), trim_left(text.substr(end))};
}

}  // namespace chat
