// Whether a second process has room beside the first: every combination of what can be read.
#include "supervisor/core/memory.h"

#include <gtest/gtest.h>

#include <limits>

namespace handoff::supervisor {
namespace {

using Verdict = Weighing::Verdict;

constexpr std::uint64_t kMB = 1'000'000;
constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

TEST(MemoryTest, NothingOverflowsAndNothingIsLessThanNothing) {
  const std::uint64_t some[] = {0, 1, 5, 1000, kMost - 1, kMost};
  for (const auto most : some) {
    for (const auto used : some) {
      for (const auto cache : some) {
        for (const auto more : some) {
          for (const auto swap : some) {
            const MemoryLevel level{"x", most, used, cache, more, swap};
            EXPECT_LE(free_of(level), most);
            EXPECT_LE(free_of(level), at_best(level));
            EXPECT_LE(swap, at_best(level));
            if (cache == 0) {
              EXPECT_EQ(free_of(level), most > used ? most - used : 0);
            }
            if (cache >= used) {
              EXPECT_EQ(free_of(level), most);
            }
          }
        }
      }
    }
  }
}

TEST(MemoryTest, TheTightestLevelIsTheOneThatLeavesLeast) {
  EXPECT_EQ(tightest({}), nullptr);
  const std::vector<MemoryLevel> levels{{"the host", 1000, 100},
                                        {"control group /a", 500, 450, 10},
                                        {"control group /a/b", 200, 100}};
  EXPECT_EQ(tightest(levels), &levels[1]);
}

TEST(MemoryTest, WhereNothingIsKnownNothingIsSaid) {
  EXPECT_EQ(weigh_handoff({}, 100 * kMB, "").verdict, Verdict::kFits);
  EXPECT_EQ(weigh_handoff({{"the host", 100 * kMB, 0}}, 0, "").verdict, Verdict::kFits);
}

TEST(MemoryTest, ACopyThatFitsIsNoNews) {
  const Weighing weighing = weigh_handoff({{"the host", 300 * kMB, 200 * kMB}}, 100 * kMB, "");
  EXPECT_EQ(weighing.verdict, Verdict::kFits);
  EXPECT_EQ(weighing.text, "");
}

TEST(MemoryTest, OneThatMayNotFitIsWarnedOfWithTheFigures) {
  const Weighing weighing = weigh_handoff(
      {{"the host", 900 * kMB, 0}, {"control group /kv", 250 * kMB, 190 * kMB}}, 165 * kMB, "");
  EXPECT_EQ(weighing.verdict, Verdict::kTight);
  EXPECT_EQ(weighing.text,
            "memory may be short: the old process has 165.0 MB of its own, and control group /kv "
            "has 60.0 MB left of 250.0 MB. If the new one takes as much, the kernel ends it "
            "first; MemoryMax= gives it more");
}

TEST(MemoryTest, WhereAllAreEndedTogetherTheOldOneIsNotSaidToGoOn) {
  const Weighing weighing = weigh_handoff({{"control group /pod", 250 * kMB, 190 * kMB}}, 165 * kMB,
                                          "control group /pod");
  EXPECT_EQ(weighing.verdict, Verdict::kTight);
  EXPECT_NE(weighing.text.find("If the new one takes as much, the kernel ends all of control group "
                               "/pod (memory.oom.group), the old one, too; MemoryMax="),
            std::string::npos)
      << weighing.text;
  EXPECT_NE(together_fault("control group /pod").find("control group /pod"), std::string::npos);
}

TEST(MemoryTest, WhatIsGivenBackInNeedKeepsItFromBeingRefused) {
  const std::uint64_t full = 250 * kMB;
  EXPECT_EQ(weigh_handoff({{"g", full, full}}, 0, "").verdict, Verdict::kNever);
  EXPECT_EQ(weigh_handoff({{"g", full, full, kHandoffNeeds}}, kMB, "").verdict, Verdict::kFits);
  EXPECT_EQ(weigh_handoff({{"g", full, full, 0, kHandoffNeeds}}, kMB, "").verdict, Verdict::kTight);
  EXPECT_EQ(weigh_handoff({{"g", full, full, 0, 0, kHandoffNeeds}}, kMB, "").verdict,
            Verdict::kTight);
}

TEST(MemoryTest, WithoutRoomForTheHandoffItselfItIsRefusedAndThereIsAWayOn) {
  const std::uint64_t full = 250 * kMB;
  const std::vector<MemoryLevel> roomy{{"the host", 900 * kMB, 0}};
  auto levels = roomy;
  levels.push_back({"control group /kv", full, full - kHandoffNeeds});
  EXPECT_NE(weigh_handoff(levels, 0, "").verdict, Verdict::kNever) << "to the byte";
  levels.back().used += 1;
  const Weighing weighing = weigh_handoff(levels, 0, "");
  EXPECT_EQ(weighing.verdict, Verdict::kNever);
  EXPECT_EQ(
      weighing.text,
      "memory is short: control group /kv has 4.2 MB left of 250.0 MB, and a handoff takes 4.2 "
      "MB at the least");
}

}  // namespace
}  // namespace handoff::supervisor
