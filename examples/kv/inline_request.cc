#include "inline_request.h"

#include <cctype>

namespace kv {
namespace {

bool is_blank(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Takes an escape in double quotes; its backslash is already taken.
char take_escape(std::string_view& rest) {
  if (rest.size() >= 3 && rest[0] == 'x' && hex_digit(rest[1]) >= 0 && hex_digit(rest[2]) >= 0) {
    const char byte = static_cast<char>(hex_digit(rest[1]) * 16 + hex_digit(rest[2]));
    rest.remove_prefix(3);
    return byte;
  }
  const char byte = unescape(rest.front());
  rest.remove_prefix(1);
  return byte;
}

// rest begins behind the opening quote. False if there is no closing quote, or no blank behind it.
bool take_quoted(std::string_view& rest, char quote, std::string& word) {
  while (!rest.empty()) {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c == quote) return rest.empty() || is_blank(rest.front());
    if (c == '\\' && quote == '"' && !rest.empty()) {
      word.push_back(take_escape(rest));
    } else if (c == '\\' && quote == '\'' && rest.starts_with('\'')) {
      word.push_back('\'');
      rest.remove_prefix(1);
    } else {
      word.push_back(c);
    }
  }
  return false;
}

bool take_word(std::string_view& rest, std::string& word) {
  while (!rest.empty() && !is_blank(rest.front())) {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c == '"' || c == '\'') return take_quoted(rest, c, word);
    word.push_back(c);
  }
  return true;
}

}  // namespace

std::optional<std::vector<std::string>> split_inline(std::string_view line) {
  std::vector<std::string> words;
  while (true) {
    while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
    if (line.empty()) return words;
    if (!take_word(line, words.emplace_back())) return std::nullopt;
  }
}

}  // namespace kv
