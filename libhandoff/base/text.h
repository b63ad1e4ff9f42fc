// Text that others wrote (a service, a file's name, a config, a peer), for people to read.
//
// A control character that reaches a terminal is obeyed: it clears the screen, moves the cursor,
// turns a line around, or ends it and begins one that looks like ours. So text passes through
// printable() where it is printed or logged, and where it is put into words that others print.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace handoff {

// Without overlong forms, surrogates, and what is above U+10FFFF (RFC 3629).
bool is_utf8(std::string_view text);

// The text on one line, in valid UTF-8 of at most limit bytes. It is cut between characters.
// Shown as escapes are
//   bytes that are no UTF-8, and C0: \xff \x1b \n
//   DEL, C1, controls of direction (Unicode's Bidi_Control), separators of lines: \u009b \u202e
// All else stays as it is, backslashes too. JSON on one line has no bytes of the first kind, so it
// stays JSON with the same value.
std::string printable(std::string_view text, std::size_t limit = std::string::npos);

}  // namespace handoff
