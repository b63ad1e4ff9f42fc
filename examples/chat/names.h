// What people type, made safe to show to others.
#pragma once

#include <string>
#include <string_view>

namespace chat {

// 1 to 20 letters, digits, '-' or '_'. For nicknames and rooms alike.
bool valid_name(std::string_view name);

// text without control characters, since nobody's line may move another person's cursor, and with a
// '?' for what is no UTF-8.
std::string printable(std::string_view text);

// The first word of text, and what follows it.
struct Words {
  std::string_view first;
  std::string_view rest;
};
Words split_word(std::string_view text);

}  // namespace chat
