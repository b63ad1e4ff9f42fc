// The pace of a copy: frames per turn, and the side that looks at sockets, for idle and busy loops.
#include "libhandoff/core/pace.h"

#include <gtest/gtest.h>

namespace handoff::core {
namespace {

constexpr std::uint64_t kFrame = 300;

// A copy whose frames cost kFrame each, in a loop that works for itself between the copy's turns.
class Copy {
 public:
  Pace::Turn turn(std::uint64_t own) {
    now_ += own;
    const Pace::Turn turn = pace_.begin(now_);
    now_ += kFrame * static_cast<std::uint64_t>(turn.frames);
    pace_.end(now_, static_cast<std::uint64_t>(turn.frames));
    return turn;
  }
  // A turn in which nothing could be sent.
  void turn_without_room(std::uint64_t own, std::uint64_t cost) {
    now_ += own;
    pace_.begin(now_);
    now_ += cost;
    pace_.end(now_, 0);
  }

 private:
  Pace pace_;
  std::uint64_t now_ = 1'000'000'000;
};

TEST(PaceTest, TheFirstTurnIsThatOfAnIdleLoop) {
  Copy copy;
  const Pace::Turn first = copy.turn(1'000'000);  // work from before the copy does not count
  EXPECT_EQ(Pace::kFew, first.frames);
  EXPECT_TRUE(first.looks);
}

TEST(PaceTest, ACopyTakesAsLongAsTheLoopsOwnWorkWithinLimits) {
  for (std::uint64_t own = 0; own < 10 * kFrame; ++own) {
    Copy copy;
    copy.turn(0);
    const Pace::Turn turn = copy.turn(own);
    const int fit = static_cast<int>(own / kFrame);
    EXPECT_EQ(std::min(std::max(fit, Pace::kFew), Pace::kMany), turn.frames) << own;
    EXPECT_EQ(fit < Pace::kMany, turn.looks) << own;
  }
}

TEST(PaceTest, GoesByTheLastTurnAlone) {
  Copy copy;
  copy.turn(0);
  EXPECT_FALSE(copy.turn(100 * kFrame).looks);
  EXPECT_TRUE(copy.turn(0).looks);
  EXPECT_FALSE(copy.turn(Pace::kMany * kFrame).looks);
}

// A loop that waits for the heir turns often and sends nothing. If such cheap turns counted as the
// cost of a frame, the loop would look busy.
TEST(PaceTest, TurnsWithoutFramesSayNothingOfWhatAFrameCosts) {
  Copy copy;
  copy.turn(0);
  for (int i = 0; i < 5; ++i) copy.turn_without_room(10, 1);
  EXPECT_TRUE(copy.turn(10).looks);
}

TEST(PaceTest, FramesThatCostNothingToSpeakOf) {
  Pace pace;
  pace.begin(5);
  pace.end(5, 3);
  EXPECT_EQ(Pace::kFew, pace.begin(5).frames);
  EXPECT_EQ(Pace::kMany, pace.begin(50).frames);
}

}  // namespace
}  // namespace handoff::core
