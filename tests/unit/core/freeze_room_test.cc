#include "libhandoff/core/freeze_room.h"

#include <gmock/gmock.h>

namespace handoff::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Session = FreezeRoom::Session;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr Duration kBudget = 250'000;  // 100 ms are for large sessions

// 1 ms for each MiB.
FreezeRoom one_ms_each() {
  FreezeRoom room;
  room.measured(10 * kMiB, 10'000'000);
  return room;
}

TEST(FreezeRoomTest, LeavesNothingBeforeAnythingIsMeasured) {
  const FreezeRoom room;
  EXPECT_FALSE(room.known());
  EXPECT_EQ(0U, room.takes_ns(1000 * kMiB));
  EXPECT_THAT(room.too_large({{1, 1000 * kMiB}}, kBudget), IsEmpty());
}

TEST(FreezeRoomTest, TheFastestMeasureCounts) {
  FreezeRoom room;
  room.measured(2 * kMiB, 8'000'000);
  EXPECT_EQ(4'000'000U, room.takes_ns(kMiB));
  room.measured(2 * kMiB, 2'000'000);
  room.measured(2 * kMiB, 6'000'000);
  EXPECT_EQ(1'000'000U, room.takes_ns(kMiB));
  room.measured(kMiB - 1, 1);
  EXPECT_EQ(1'000'000U, room.takes_ns(kMiB)) << "too small to tell";
}

TEST(FreezeRoomTest, WhatFitsStays) {
  EXPECT_THAT(one_ms_each().too_large({{1, 100 * kMiB}}, kBudget), IsEmpty());
  EXPECT_THAT(one_ms_each().too_large({}, kBudget), IsEmpty());
}

TEST(FreezeRoomTest, TheLargestAreLeftAndNoMoreThanItTakes) {
  EXPECT_THAT(one_ms_each().too_large({{1, 101 * kMiB}}, kBudget),
              ElementsAre(Session{1, 101 * kMiB}));
  EXPECT_THAT(one_ms_each().too_large({{1, 40 * kMiB}, {2, 70 * kMiB}, {3, 60 * kMiB}}, kBudget),
              ElementsAre(Session{2, 70 * kMiB}));
  EXPECT_THAT(one_ms_each().too_large({{3, 60 * kMiB}, {2, 60 * kMiB}, {1, 60 * kMiB}}, kBudget),
              ElementsAre(Session{1, 60 * kMiB}, Session{2, 60 * kMiB}));
}

TEST(FreezeRoomTest, SmallOnesAreNeverLeft) {
  std::vector<Session> all;
  for (std::uint64_t id = 1; id <= 1000; ++id) all.push_back({id, kMiB - 1});
  EXPECT_THAT(one_ms_each().too_large(all, kBudget), IsEmpty());
}

TEST(FreezeRoomTest, ABudgetOfNothingHasRoomForNothing) {
  EXPECT_THAT(one_ms_each().too_large({{1, kMiB}}, 0), ElementsAre(Session{1, kMiB}));
}

// Whatever is left, the rest fits, and with the smallest of them put back it would not.
TEST(FreezeRoomTest, TheRestFits) {
  const FreezeRoom room = one_ms_each();
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    std::vector<Session> all;
    std::uint64_t sum = 0;
    std::uint64_t x = seed * 2654435761U + 1;
    for (std::uint64_t id = 1; id <= seed % 7; ++id) {
      x = x * 6364136223846793005U + 1442695040888963407U;
      all.push_back({id, kMiB + (x >> 38)});
      sum += all.back().bytes;
    }
    const auto left = room.too_large(all, kBudget);
    for (const Session& session : left) sum -= session.bytes;
    EXPECT_LE(room.takes_ns(sum), 100'000'000U);
    if (!left.empty()) {
      EXPECT_GT(room.takes_ns(sum + left.back().bytes), 100'000'000U);
    }
  }
}

}  // namespace
}  // namespace handoff::core
