#include "libhandoff/core/tail.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace handoff::core {
namespace {

constexpr std::string_view kStream = "abcdefgh";
std::string bytes(const Stretch& of) {
  return std::string(kStream.substr(of.begin, of.end - of.begin));
}

// Every two stretches of a stream of eight bytes: what the heir makes of its own and of what is
// sent is what it should have, and nothing is sent that it has.
TEST(TailTest, TheHeirHasWhatItShouldHave) {
  for (std::uint64_t a = 0; a <= 8; ++a) {
    for (std::uint64_t b = a; b <= 8; ++b) {
      for (std::uint64_t c = 0; c <= 8; ++c) {
        for (std::uint64_t d = c; d <= 8; ++d) {
          const Stretch has{a, b}, is{c, d};
          const Tail tail = tail_of(has, is);
          EXPECT_EQ(a > c || b > d, tail.whole);
          if (tail.whole) continue;
          ASSERT_LE(tail.drop, has.size());
          ASSERT_LE(tail.from, is.end);
          const std::string sent = bytes({tail.from, is.end});
          EXPECT_EQ(bytes(is), bytes(has).substr(tail.drop) + sent) << a << b << c << d;
          EXPECT_EQ(d - std::max(b, c), sent.size()) << a << b << c << d;
        }
      }
    }
  }
}

TEST(TailTest, AStretchThatIsTurnedAroundIsWhole) { EXPECT_TRUE(tail_of({0, 4}, {6, 5}).whole); }

}  // namespace
}  // namespace handoff::core
