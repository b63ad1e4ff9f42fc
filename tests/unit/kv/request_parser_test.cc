// Requests in every form, in pieces of every size, and malformed ones.
#include "request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace kv {
namespace {

using Status = RequestParser::Status;
using testing::ElementsAre;
using Words = std::vector<std::string>;

struct Parsed {
  std::vector<Words> requests;
  std::string error;
  std::size_t used = 0;
};

// Parses as a Stream does: shows the parser all bytes that are not consumed, piece after piece.
Parsed parse_in_pieces(std::string_view bytes, std::size_t piece) {
  RequestParser parser;
  Parsed parsed;
  for (std::size_t arrived = 0; arrived < bytes.size();) {
    arrived = std::min(bytes.size(), arrived + piece);
    while (true) {
      const Status status = parser.next(bytes.substr(parsed.used, arrived - parsed.used));
      if (status == Status::kError) {
        parsed.error = parser.error();
        return parsed;
      }
      if (status == Status::kIncomplete) break;
      parsed.used += parser.taken();
      const auto args = parser.args();
      if (!args.empty()) parsed.requests.emplace_back(args.begin(), args.end());
    }
  }
  return parsed;
}

Parsed parse(std::string_view bytes) { return parse_in_pieces(bytes, bytes.size()); }

TEST(RequestParserTest, ReadsAnArrayOfStrings) {
  const auto parsed = parse("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
  EXPECT_THAT(parsed.requests, ElementsAre(ElementsAre("SET", "k", "")));
  EXPECT_EQ(parsed.used, 26u);
}

TEST(RequestParserTest, LeavesHalfARequestUnconsumedAtEveryByte) {
  const std::string first = "*1\r\n$4\r\nPING\r\n";
  const std::string second = "*2\r\n$4\r\nECHO\r\n$5\r\nh\r\nlo\r\n";
  const std::string both = first + second;
  for (std::size_t n = 0; n < both.size(); ++n) {
    const auto parsed = parse(both.substr(0, n));
    EXPECT_EQ(parsed.used, n < first.size() ? 0 : first.size()) << n;
    EXPECT_EQ(parsed.error, "") << n;
  }
  EXPECT_THAT(parse(both).requests,
              ElementsAre(ElementsAre("PING"), ElementsAre("ECHO", "h\r\nlo")));
}

TEST(RequestParserTest, ReadsTheSameHoweverTheBytesArrive) {
  std::string bytes;
  std::vector<Words> expected;
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    if (i % 10 == 3) {
      bytes += "GET inline" + std::to_string(i) + "\r\n\r\n";
      expected.push_back({"GET", "inline" + std::to_string(i)});
      continue;
    }
    Words words;
    const std::size_t n = 1 + random() % 5;
    bytes += "*" + std::to_string(n) + "\r\n";
    for (std::size_t k = 0; k < n; ++k) {
      words.emplace_back(random() % (i % 50 == 0 ? 40'000 : 60), static_cast<char>('a' + k));
      bytes += "$" + std::to_string(words.back().size()) + "\r\n" + words.back() + "\r\n";
    }
    expected.push_back(words);
  }
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{7}, std::size_t{1000}, std::size_t{65536}, bytes.size()}) {
    const auto parsed = parse_in_pieces(bytes, piece);
    EXPECT_EQ(parsed.error, "") << piece;
    EXPECT_EQ(parsed.used, bytes.size()) << piece;
    EXPECT_EQ(parsed.requests, expected) << piece;
  }
}

TEST(RequestParserTest, TakesALargeStringInPiecesInLinearTime) {
  const std::string value(100u << 20, 'x');
  const auto parsed = parse_in_pieces("*2\r\n$4\r\nECHO\r\n$104857600\r\n" + value + "\r\n", 65536);
  ASSERT_EQ(parsed.requests.size(), 1u);
  EXPECT_EQ(parsed.requests[0][1], value);
}

TEST(RequestParserTest, AsksNothingOfEmptyArraysAndLines) {
  const auto parsed = parse("*0\r\n*-1\r\n\r\n\n   \r\n*1\r\n$4\r\nPING\r\n");
  EXPECT_THAT(parsed.requests, ElementsAre(ElementsAre("PING")));
}

TEST(RequestParserTest, ReadsInlineRequests) {
  const auto parsed = parse("PING\r\nSET k \"a \\x41\\n\" \nECHO 'it\\'s'\n");
  EXPECT_THAT(parsed.requests, ElementsAre(ElementsAre("PING"), ElementsAre("SET", "k", "a A\n"),
                                           ElementsAre("ECHO", "it's")));
}

struct Refused {
  const char* bytes;
  const char* error;
};

class RefusalTest : public testing::TestWithParam<Refused> {};

TEST_P(RefusalTest, IsRefusedWithItsReasonHoweverItArrives) {
  const std::string bytes = GetParam().bytes;
  for (const std::size_t piece : {bytes.size(), std::size_t{1}}) {
    const auto parsed = parse_in_pieces(bytes, piece);
    EXPECT_EQ(parsed.error, std::string("Protocol error: ") + GetParam().error);
    EXPECT_TRUE(parsed.requests.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    RequestParser, RefusalTest,
    testing::Values(Refused{"*1\r\n:5\r\n", "expected '$', got ':'"},
                    Refused{"*1\r\n+OK\r\n", "expected '$', got '+'"},
                    Refused{"*1\r\n-ERR\r\n", "expected '$', got '-'"},
                    Refused{"*1\r\n*1\r\n$1\r\na\r\n", "expected '$', got '*'"},
                    Refused{"*1\r\n:x\r\n", "expected '$', got ':'"},
                    Refused{"*1\r\n*x\r\n", "expected '$', got '*'"},
                    Refused{"*1\r\n*-1\r\n", "expected '$', got '*'"},
                    Refused{"*2\r\n$1\r\na\r\n*9999999999\r\n", "expected '$', got '*'"},
                    Refused{"*1\r\nx", "expected '$', got 'x'"},
                    Refused{"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
                            "expected '$', got '*'"},
                    Refused{"*1\r\n$-1\r\n", "invalid bulk length"},
                    Refused{"*1\r\n$-2\r\n", "invalid bulk length"},
                    Refused{"*1\r\n$4\rPING\r\n", "invalid bulk length"},
                    Refused{"*1\r\n$abc\r\n", "invalid bulk length"},
                    Refused{"*1\r\n$536870913\r\n", "invalid bulk length"},
                    Refused{"*1\r\n$9223372036854775807\r\n", "invalid bulk length"},
                    Refused{"*1\r\n$99999999999999999999\r\n", "invalid bulk length"},
                    Refused{"*1048577\r\n", "invalid multibulk length"},
                    Refused{"*2147483648\r\n", "invalid multibulk length"},
                    Refused{"*99999999999999999999\r\n", "invalid multibulk length"},
                    Refused{"*abc\r\n", "invalid multibulk length"},
                    Refused{"GET \"a\r\n", "unbalanced quotes in request"},
                    Refused{"GET \"a\"b\r\n", "unbalanced quotes in request"}));

TEST(RequestParserTest, AllocatesNothingThatIsOnlyAnnounced) {
  RequestParser parser;
  EXPECT_EQ(parser.next("*1048576\r\n$536870912\r\nx"), Status::kIncomplete);
}

TEST(RequestParserTest, RefusesLinesWithoutEnd) {
  const std::string endless(70'000, '1');
  EXPECT_EQ(parse_in_pieces("*" + endless, 1000).error,
            "Protocol error: too big mbulk count string");
  EXPECT_EQ(parse_in_pieces("*1\r\n$" + endless, 1000).error,
            "Protocol error: too big bulk count string");
  EXPECT_EQ(parse_in_pieces("A" + endless, 1000).error, "Protocol error: too big inline request");
}

TEST(RequestParserTest, StaysRefused) {
  RequestParser parser;
  EXPECT_EQ(parser.next("*1\r\n:1\r\n"), Status::kError);
  EXPECT_EQ(parser.next("*1\r\n$4\r\nPING\r\n"), Status::kError);
}

TEST(RequestParserTest, SurvivesGarbage) {
  std::mt19937 random(11);
  const std::string alphabet = "*$:+-\r\n0123456789ab\"' ";
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes;
    for (std::size_t n = random() % 40; n > 0; --n) bytes += alphabet[random() % alphabet.size()];
    const auto whole = parse(bytes);
    const auto pieces = parse_in_pieces(bytes, 1);
    EXPECT_EQ(whole.requests, pieces.requests) << bytes;
    EXPECT_EQ(whole.error.empty(), pieces.error.empty()) << bytes;
    EXPECT_LE(whole.used, bytes.size());
  }
}

}  // namespace
}  // namespace kv
