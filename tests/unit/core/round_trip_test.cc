#include "libhandoff/core/round_trip.h"

#include <gtest/gtest.h>

namespace handoff::core {
namespace {

TEST(RoundTripTest, TheShorterWayCountsTwice) {
  EXPECT_EQ(200U, round_trip_ns({.sent_ns = 1000, .heard_at_ns = 1100, .answered_ns = 9000}));
  EXPECT_EQ(200U, round_trip_ns({.sent_ns = 1000, .heard_at_ns = 8900, .answered_ns = 9000}));
  EXPECT_EQ(0U, round_trip_ns({.sent_ns = 1000, .heard_at_ns = 1000, .answered_ns = 1000}));
}

TEST(RoundTripTest, WithoutTheHeirsClockBothWaysCountLessItsWork) {
  EXPECT_EQ(500U, round_trip_ns({.sent_ns = 1000, .answered_ns = 1700, .room_ns = 200}));
  EXPECT_EQ(0U, round_trip_ns({.sent_ns = 1000, .answered_ns = 1700, .room_ns = 900}));
}

TEST(RoundTripTest, AnotherClockIsNotBelieved) {
  const Hellos before{.sent_ns = 1000, .heard_at_ns = 999, .answered_ns = 1700};
  const Hellos after{.sent_ns = 1000, .heard_at_ns = 1701, .answered_ns = 1700};
  EXPECT_EQ(700U, round_trip_ns(before));
  EXPECT_EQ(700U, round_trip_ns(after));
}

}  // namespace
}  // namespace handoff::core
