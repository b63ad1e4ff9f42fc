// What a trusted comment claims, and which version is the older one.
#include "supervisor/core/claim.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace handoff::supervisor {
namespace {

std::string claimed(const std::string& comment) {
  const auto claim = parse_claim(comment);
  if (claim) return claim->service + " " + claim->version;
  EXPECT_EQ(claim.error().code, -EKEYREJECTED);
  return claim.error().message;
}

TEST(ClaimTest, IsTwoWordsAmongOthers) {
  EXPECT_EQ(claimed("service=chat version=2.0"), "chat 2.0");
  EXPECT_EQ(claimed("version=v1.2.3-rc.1+git.5  by=me\tservice=chat-eu_1"),
            "chat-eu_1 v1.2.3-rc.1+git.5");
}

TEST(ClaimTest, IsNoneIfAWordIsMissingOrIsNone) {
  const std::string none = "does not name the service and the version";
  for (const char* comment :
       {"", "timestamp:1700000000\tfile:chat\thashed", "chat 2.0", "service=chat", "version=2.0",
        "service= version=2.0", "service=chat version=", "service=chat version=new",
        "service=a/b version=1", "service=chat version=1..2", "service=chat version=1.0-",
        "service=chat version=1.0_1", "xservice=chat version=1.0", "Service=chat version=1.0",
        "service=chat version=.1", "service=chat version=-1"}) {
    EXPECT_EQ(claimed(comment), none) << comment;
  }
  EXPECT_EQ(claimed("service=chat version=" + std::string(65, '1')), none);
}

TEST(ClaimTest, IsRefusedIfItCouldBeReadInTwoWays) {
  const std::string two = "names two services or versions";
  EXPECT_EQ(claimed("service=chat service=kv version=2.0"), two);
  EXPECT_EQ(claimed("version=1.0 service=chat version=2.0"), two);
}

TEST(VersionTest, TheOrderIsThatOfSemverWithAnyNumberOfNumbers) {
  const std::vector<std::vector<std::string>> ascending = {
      {"0", "0.0.0"},
      {"0.9"},
      {"1.0-alpha"},
      {"1.0-alpha.1"},
      {"1.0-alpha.beta"},
      {"1.0-beta.2", "1.0.0-beta.2+build"},
      {"1.0-beta.11"},
      {"1.0-rc.1"},
      {"1", "1.0", "1.0.0.0", "v1", "01", "1.0+anything", "1.0+dfsg~rc1"},
      {"1.0.1"},
      {"1.9"},
      {"1.10"},
      {"2"},
      {"2026.11.29"},
      {"99999999999999999999999999"},
      {"100000000000000000000000000"}};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      for (const std::string& a : ascending[i]) {
        for (const std::string& b : ascending[j]) {
          const auto order = compare_versions(a, b);
          ASSERT_TRUE(order) << a << " " << b;
          EXPECT_EQ(*order, std::weak_ordering(i <=> j)) << a << " " << b;
        }
      }
    }
  }
}

TEST(VersionTest, WhatIsNoVersionCannotBeCompared) {
  for (const char* none :
       {"", "new", "1.x", "1.", ".1", "1 0", "v", "1.0-a..b", "a1b2c3", "1~rc1", "1.0-a~b"}) {
    EXPECT_EQ(compare_versions(none, "1.0"), std::nullopt) << none;
    EXPECT_EQ(compare_versions("1.0", none), std::nullopt) << none;
  }
}

TEST(DowngradeTest, OnlyWhatIsAsNewMayFollowUnasked) {
  EXPECT_EQ(downgrade_problem("1.10", "1.9", "runs"), "");
  EXPECT_EQ(downgrade_problem("1.0", "1.0.0", "runs"), "");
  EXPECT_EQ(downgrade_problem("1.9", "1.10", "runs"), "is version 1.9, and 1.10 runs");
  EXPECT_EQ(downgrade_problem("1.9", "nightly", "ran"),
            "is version 1.9, and nightly ran, which can't be compared with it");
}

}  // namespace
}  // namespace handoff::supervisor
