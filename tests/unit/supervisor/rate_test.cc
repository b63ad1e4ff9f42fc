#include "supervisor/core/rate.h"

#include <gtest/gtest.h>

namespace handoff::supervisor {
namespace {

TEST(RateTest, IsSoOftenWithinAWhile) {
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_rate("5/min"), (Rate{5, 1min}));
  EXPECT_EQ(parse_rate("1/s"), (Rate{1, 1s}));
  EXPECT_EQ(parse_rate("100/h"), (Rate{100, 1h}));
  EXPECT_EQ(parse_rate("3/10m"), (Rate{3, 10min}));
  EXPECT_EQ(parse_rate("3/250ms"), (Rate{3, 250ms}));
}

TEST(RateTest, AnythingElseIsNone) {
  for (const char* text : {"", "5", "5/", "/min", "0/min", "-1/min", "101/min", "5/0s", "5/minute",
                           "5 /min", "5/ min", "5/2d", "5/min/min", "99999999999999999999/min"}) {
    EXPECT_EQ(parse_rate(text), std::nullopt) << text;
  }
}

TEST(RateTest, IsWrittenAsItIsRead) {
  for (const char* text : {"5/min", "1/s", "100/h", "3/10m", "7/90s", "3/250000us"}) {
    ASSERT_TRUE(parse_rate(text)) << text;
    EXPECT_EQ(format_rate(*parse_rate(text)), text);
  }
}

}  // namespace
}  // namespace handoff::supervisor
