#include "libhandoff/core/rest.h"

#include <gtest/gtest.h>

namespace handoff::core {
namespace {

using Verdict = Rest::Verdict;

TEST(RestTest, TakesHalfOfWhatTheDonorHasUntilRelease) {
  EXPECT_EQ(1000 + 40, Rest::end(1000, 100));
}

TEST(RestTest, LinksTakeNoMoreThanHalfOfIt) {
  EXPECT_EQ(1000 + 20, Rest::links_until(1000, 100, true));
  EXPECT_LT(Rest::links_until(1000, 100, true), Rest::end(1000, 100));
  EXPECT_EQ(1000 + 50, Rest::links_until(1000, 100, false));
}

// A donor's clock that is wrong, or that lies, gives restores neither no time nor any time.
TEST(RestTest, AnHeirBelievesAFreezeOnlyWhereItMayHaveBeen) {
  EXPECT_EQ(50, Rest::restores_since(50, 10, 60));
  EXPECT_EQ(10, Rest::restores_since(10, 10, 60));
  EXPECT_EQ(60, Rest::restores_since(60, 10, 60));
  EXPECT_EQ(60, Rest::restores_since(9, 10, 60)) << "before the donor's Hello";
  EXPECT_EQ(60, Rest::restores_since(61, 10, 60)) << "after its Prepare";
  EXPECT_EQ(60, Rest::restores_since(0, 10, 60));
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
