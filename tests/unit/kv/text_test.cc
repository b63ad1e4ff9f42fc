// The small parts: numbers, patterns, replies.
#include <gtest/gtest.h>

#include "glob.h"
#include "number.h"
#include "reply.h"

namespace kv {
namespace {

TEST(NumberTest, OnlyTheCanonicalFormIsANumber) {
  EXPECT_EQ(parse_integer("0"), 0);
  EXPECT_EQ(parse_integer("-1"), -1);
  EXPECT_EQ(parse_integer("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(parse_integer("-9223372036854775808"), INT64_MIN);
  for (const char* text : {"", "-", "+1", "01", "-0", "-01", " 1", "1 ", "1.0",
                           "9223372036854775808", "-9223372036854775809", "x"}) {
    EXPECT_EQ(parse_integer(text), std::nullopt) << text;
  }
}

TEST(NumberTest, DecimalsAreFinite) {
  EXPECT_EQ(parse_decimal("0.5"), 0.5);
  EXPECT_EQ(parse_decimal("-1"), -1.0);
  for (const char* text : {"", "x", "inf", "nan", "1e999", "0.5s"}) {
    EXPECT_EQ(parse_decimal(text), std::nullopt) << text;
  }
}

TEST(GlobTest, MatchesAsKeysDoes) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("h?llo*", "hello world"));
  EXPECT_FALSE(glob_match("h?llo", "hllo"));
  EXPECT_TRUE(glob_match("[a-c]x", "bx"));
  EXPECT_TRUE(glob_match("[c-a]x", "bx"));
  EXPECT_FALSE(glob_match("[^a-c]x", "bx"));
  EXPECT_TRUE(glob_match("[^a]x", "bx"));
  EXPECT_TRUE(glob_match("a\\*b", "a*b"));
  EXPECT_FALSE(glob_match("a\\*b", "axb"));
  EXPECT_TRUE(glob_match("*a*b*c", "xxaxxbxxc"));
  EXPECT_FALSE(glob_match("*a*b*c", "xxaxxcxxb"));
  EXPECT_TRUE(glob_match("[\\]]", "]"));
  EXPECT_TRUE(glob_match("[ab", "a"));
  EXPECT_TRUE(glob_match("a\\", "a\\"));
}

TEST(GlobTest, HasNoExponentialCase) {
  std::string pattern;
  for (int i = 0; i < 40; ++i) pattern += "*a";
  EXPECT_FALSE(glob_match(pattern + "*b", std::string(5000, 'a')));
}

struct Text final : Sink {
  void send(std::string_view bytes) override { text += bytes; }
  std::string text;
};

TEST(ReplyTest, WritesResp2) {
  Text out;
  Reply reply(out);
  reply.array(2);
  reply.bulk("a\r\nb");
  reply.integer(INT64_MIN);
  reply.nil();
  reply.nil_array();
  reply.status("QUEUED");
  reply.error("ERR two\r\nlines");
  EXPECT_EQ(out.text,
            "*2\r\n$4\r\na\r\nb\r\n:-9223372036854775808\r\n$-1\r\n*-1\r\n+QUEUED\r\n-ERR two  "
            "lines\r\n");
}

TEST(ReplyTest, WritesStringsOfEverySize) {
  for (std::size_t n = 0; n < 1200; ++n) {
    Text out;
    Reply(out).bulk(std::string(n, 'x'));
    EXPECT_EQ(out.text, "$" + std::to_string(n) + "\r\n" + std::string(n, 'x') + "\r\n");
  }
}

}  // namespace
}  // namespace kv
