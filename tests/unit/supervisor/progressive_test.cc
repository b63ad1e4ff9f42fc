// Shares of a progressive upgrade, told as a timeline.
#include "supervisor/core/progressive.h"

#include <gtest/gtest.h>

#include "show.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;
using Shares = std::vector<std::uint32_t>;

TEST(ProgressiveTest, SharesAscendToAllOfIt) {
  EXPECT_EQ(parse_shares("1%,10%,100%"), (Shares{10, 100, 1000}));
  EXPECT_EQ(parse_shares("0.5%,100%"), (Shares{5, 1000}));
  EXPECT_EQ(parse_shares("100%"), (Shares{1000}));
  for (const char* wrong :
       {"", "1", "1%", "10%,1%,100%", "1%,1%,100%", "0%,100%", "1%,101%", "100.1%", "1%,,100%",
        "1.55%,100%", "-1%,100%", "1%,100%,", "x%,100%"}) {
    EXPECT_FALSE(parse_shares(wrong)) << wrong;
  }
}

TEST(ProgressiveTest, TheNextShareComesAfterThePauseAndTheLastEndsIt) {
  Progressive p;
  p.plan({10, 100, 1000}, 30s);
  EXPECT_EQ(p.first(), 10u);
  EXPECT_FALSE(p.deadline());
  p.switched(1, 2, at(0ms));
  EXPECT_TRUE(p.under_way());
  EXPECT_EQ(p.deadline(), at(30s));
  EXPECT_FALSE(p.tick(at(29s)));
  const auto second = p.tick(at(30s));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->permille, 100u);
  EXPECT_EQ(second->late, 1u);
  EXPECT_EQ(second->owner, 2u);
  const auto last = p.tick(at(60s));
  ASSERT_TRUE(last);
  EXPECT_EQ(last->permille, 1000u);
  EXPECT_FALSE(p.under_way());
  EXPECT_FALSE(p.deadline());
}

TEST(ProgressiveTest, OneThatIsNotWellGivesAllBackAndGetsNoMore) {
  Progressive p;
  p.plan({10, 1000}, 30s);
  p.switched(1, 2, at(0ms));
  const auto back = p.give_back();
  ASSERT_TRUE(back);
  EXPECT_EQ(back->permille, 0u);
  EXPECT_FALSE(p.tick(at(1h)));
}

TEST(ProgressiveTest, AllAtOnceIsAnOrdinaryUpgrade) {
  Progressive p;
  p.plan({1000}, 30s);
  EXPECT_EQ(p.first(), 0u);
  p.switched(1, 2, at(0ms));
  EXPECT_FALSE(p.under_way());
}

}  // namespace
}  // namespace handoff::supervisor
