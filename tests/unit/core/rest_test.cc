#include "libhandoff/core/rest.h"

#include <gtest/gtest.h>

namespace handoff::core {
namespace {

using Verdict = Rest::Verdict;

TEST(RestTest, TakesHalfOfWhatTheDonorHasUntilRelease) {
  EXPECT_EQ(1000 + 40, Rest::end(1000, 100));
}

TEST(RestTest, EndsByTheServicesWordOrWhenItsTimeIsUp) {
  for (const bool said : {false, true}) {
    Rest rest;
    EXPECT_EQ(Verdict::kWait, rest.look(said, 100)) << "it has not begun";
    rest.begin(50);
    EXPECT_TRUE(rest.under_way());
    EXPECT_EQ(Verdict::kWait, rest.look(false, 49));
    EXPECT_EQ(said ? Verdict::kRested : Verdict::kTimeIsUp, rest.look(said, said ? 10 : 50));
    EXPECT_FALSE(rest.under_way());
    EXPECT_FALSE(rest.deadline());
    EXPECT_EQ(Verdict::kWait, rest.look(true, 100)) << "once";
  }
}

// What was said in time counts, however late it is heard.
TEST(RestTest, AWordThatIsHeardLateIsAWord) {
  Rest rest;
  rest.begin(50);
  EXPECT_EQ(Verdict::kRested, rest.look(true, 60));
}

TEST(RestTest, IsOverWithTheFreeze) {
  Rest rest;
  rest.begin(50);
  rest.cancel();
  EXPECT_EQ(Verdict::kWait, rest.look(false, 60));
}

}  // namespace
}  // namespace handoff::core
