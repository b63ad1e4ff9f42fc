// What the bench's TLS services answer. Both ways of TLS are given the same bytes, in other pieces.
#include "tls_requests.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace bench {
namespace {

// The answers to input that comes in pieces of so many bytes.
std::string answers(std::string_view input, std::size_t piece) {
  Requests requests;
  std::string out;
  while (!input.empty()) {
    const std::string_view next = input.substr(0, piece);
    requests.take(next, [&out](std::string_view part) { out += part; });
    input.remove_prefix(next.size());
  }
  return out;
}

TEST(TlsRequestsTest, AnswersDoNotDependOnThePieces) {
  const std::string input = "xyz\n\nput this\ng\nx\n";
  const std::string expected = "xyz\n\nok\n" + std::string(Requests::kBlock - 1, 'b') + "\nx\n";
  for (const std::size_t piece : {input.size(), std::size_t{1}, std::size_t{2}, std::size_t{5}}) {
    EXPECT_EQ(expected, answers(input, piece)) << piece;
  }
}

TEST(TlsRequestsTest, EachAnswerEndsOneLine) {
  const std::string block = answers("g\n", 2);
  EXPECT_EQ(Requests::kBlock, block.size());
  EXPECT_EQ(1, std::count(block.begin(), block.end(), '\n'));
  EXPECT_EQ("ok\n", answers("p" + std::string(100'000, 'p') + "\n", 16384));
}

TEST(TlsRequestsTest, ALineGoesOnInAnotherProcess) {
  Requests before, after;
  std::string out;
  const auto write = [&out](std::string_view part) { out += part; };
  before.take("put half of", write);
  EXPECT_EQ('p', before.under_way());
  after.go_on(before.under_way());
  after.take(" a line\n", write);
  EXPECT_EQ("ok\n", out);
  EXPECT_EQ(0, after.under_way());
}

}  // namespace
}  // namespace bench
