#include "libhandoff/core/staying.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace handoff::core {
namespace {

TEST(StayingTest, CountsByTheReason) {
  std::vector<Staying> all;
  add(all, {"tls", 1});
  EXPECT_EQ("1: tls", describe(all));
  add(all, {"an upload", 2});
  add(all, {"tls", 1});
  add(all, {"nobody", 0});
  EXPECT_EQ((std::vector<Staying>{{"tls", 2}, {"an upload", 2}}), all);
  EXPECT_EQ(4U, count(all));
  EXPECT_EQ("4: 2 tls, 2 an upload", describe(all));
}

// A reason for each session must not make a message too large.
TEST(StayingTest, ManyReasonsShareAPlace) {
  std::vector<Staying> all;
  for (int i = 0; i < 100; ++i) add(all, {std::to_string(i), 1});
  EXPECT_EQ(kMaxStaying, all.size());
  EXPECT_EQ(100U, count(all));
  EXPECT_EQ((Staying{kOtherReasons, 100 - kMaxStaying + 1}), all.back());
  add(all, {"3", 1});
  EXPECT_EQ(2U, all[3].sessions);
}

}  // namespace
}  // namespace handoff::core
