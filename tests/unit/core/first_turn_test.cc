#include "libhandoff/core/first_turn.h"

#include <gtest/gtest.h>

namespace handoff::core {
namespace {

TEST(FirstTurnTest, SaysNothingWithinTheBudget) {
  EXPECT_EQ("", why_slow("this release", 0, 0));
  EXPECT_EQ("", why_slow("this release", -1, 250'000));
  EXPECT_EQ("", why_slow("this release", 250'000, 250'000));
}

TEST(FirstTurnTest, SaysBeyondItHowLongWhatTook) {
  EXPECT_EQ(
      "the new release took 444 ms after handoff_wait() before its loop turned. Clients waited for "
      "it, and the freeze budget (250 ms) does not bound it: do there only what the first answers "
      "need",
      why_slow("the new release", 444'000, 250'000));
  EXPECT_NE("", why_slow("this release", 250'001, 250'000));
}

}  // namespace
}  // namespace handoff::core
