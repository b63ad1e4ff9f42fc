// What people can read stays as it is; what a terminal would obey is shown as an escape.
#include "libhandoff/base/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace handoff {
namespace {

std::string utf8(std::uint32_t c) {
  const auto tail = [c](unsigned shift) { return static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xe0 | c >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | c >> 18), tail(12), tail(6), tail(0)};
}

// As Unicode has them: Cc, Bidi_Control, Zl and Zp.
bool is_control(std::uint32_t c) {
  for (const auto& [first, last] :
       std::vector<std::pair<std::uint32_t, std::uint32_t>>{{0x00, 0x1f},
                                                            {0x7f, 0x9f},
                                                            {0x61c, 0x61c},
                                                            {0x200e, 0x200f},
                                                            {0x2028, 0x2029},
                                                            {0x202a, 0x202e},
                                                            {0x2066, 0x2069}}) {
    if (c >= first && c <= last) return true;
  }
  return false;
}

// What is wrong with how the character is shown; "" if nothing is. A million assertions would take
// seconds.
std::string wrong_with(std::uint32_t c) {
  const std::string text = utf8(c);
  if (!is_utf8(text)) return "it is UTF-8";
  const std::string shown = printable(text);
  if (!is_control(c)) return shown == text ? "" : "it was changed to " + shown;
  if (shown[0] != '\\') return "it is a control";
  for (const char byte : shown) {
    if (byte < 0x20 || byte == 0x7f) return "its escape has a control, or is no ASCII";
  }
  return printable(shown) == shown ? "" : "its escape is escaped";
}

TEST(TextTest, EveryCharacterIsKeptOrShownAsAnEscape) {
  for (std::uint32_t c = 0; c <= 0x10ffff; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const std::string wrong = wrong_with(c);
    if (!wrong.empty()) ADD_FAILURE() << "U+" << std::hex << c << ": " << wrong;
  }
}

TEST(TextTest, EscapesSayWhatWasThere) {
  EXPECT_EQ("a\\x1b[2J", printable("a\x1b[2J"));
  EXPECT_EQ("one\\ntwo\\r\\tend\\x00", printable(std::string("one\ntwo\r\tend\0", 13)));
  EXPECT_EQ("\\u007f\\u009b\\u202e\\u2028\\u061c",
            printable("\x7f\xc2\x9b\xe2\x80\xae\xe2\x80\xa8\xd8\x9c"));
  EXPECT_EQ("\xed\x95\x9c\xea\xb5\xad r\xc3\xa4ume \\ \"",
            printable("\xed\x95\x9c\xea\xb5\xad r\xc3\xa4ume \\ \""));
}

TEST(TextTest, BytesThatAreNoUtf8AreShownOneByOne) {
  for (const auto& [text, shown] : std::vector<std::pair<std::string, std::string>>{
           {"\xff ok", "\\xff ok"},
           {"\xe2\x82", "\\xe2\\x82"},                    // cut off
           {"\xe2\x82 x", "\\xe2\\x82 x"},                // and something else behind it
           {"\xc0\xaf", "\\xc0\\xaf"},                    // more bytes than it needs
           {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},           // likewise
           {"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // half of a pair of UTF-16
           {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // above U+10FFFF
           {"\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80"}}) {
    EXPECT_FALSE(is_utf8(text)) << shown;
    EXPECT_EQ(shown, printable(text));
  }
  EXPECT_TRUE(is_utf8(""));
}

// Neither a character nor an escape is cut in two.
TEST(TextTest, IsCutBetweenCharacters) {
  const std::string text = "x\xed\x95\x9c\x1b\xf0\x9f\x8d\xb5z";
  const std::string whole = printable(text);
  ASSERT_EQ(1 + 3 + 4 + 4 + 1U, whole.size());
  for (std::size_t limit = 0; limit <= whole.size(); ++limit) {
    const std::string cut = printable(text, limit);
    EXPECT_LE(cut.size(), limit);
    EXPECT_TRUE(whole.starts_with(cut)) << cut;
    EXPECT_TRUE(is_utf8(cut)) << limit;
    EXPECT_TRUE(cut.size() <= 4 || cut.size() >= 8) << "half an escape: " << cut;
  }
}

}  // namespace
}  // namespace handoff
