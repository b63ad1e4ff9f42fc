#include "libhandoff/service/saved_stretch.h"

#include <gtest/gtest.h>

namespace handoff::io {
namespace {

TEST(SavedStretchTest, WithoutAPositionItIsWhole) {
  SavedStretch out;
  out.begin({{0, 3}});
  EXPECT_TRUE(out.append("ab"));
  EXPECT_TRUE(out.append("c"));
  EXPECT_FALSE(out.append_at(3, "d"));
  EXPECT_TRUE(out.end());
  EXPECT_EQ("abc", out.bytes());
  EXPECT_FALSE(out.drop() || out.placed());
}

TEST(SavedStretchTest, OnlyWhatIsNewIsKept) {
  SavedStretch out;
  out.begin({{10, 14}});
  EXPECT_TRUE(out.append_at(12, "c"));
  EXPECT_TRUE(out.append_at(13, "defg"));
  EXPECT_FALSE(out.append("h"));
  EXPECT_FALSE(out.append_at(18, "i")) << "a gap";
  EXPECT_FALSE(out.append_at(16, "i")) << "twice";
  EXPECT_TRUE(out.end());
  EXPECT_EQ("efg", out.bytes());
  EXPECT_EQ(2U, out.drop());
  EXPECT_EQ((core::Stretch{12, 17}), out.placed());
}

TEST(SavedStretchTest, NothingNewIsTheSame) {
  SavedStretch out;
  out.begin({{10, 14}});
  EXPECT_TRUE(out.append_at(10, "abcd"));
  EXPECT_TRUE(out.end());
  EXPECT_EQ(0U, out.drop());
  EXPECT_EQ("", out.bytes());
}

TEST(SavedStretchTest, WhatDoesNotGoOnIsAskedForAgain) {
  SavedStretch out;
  out.begin({{10, 14}});
  EXPECT_TRUE(out.append_at(9, "xabcd"));
  EXPECT_FALSE(out.end());
  out.begin({});
  EXPECT_TRUE(out.append_at(9, "xabcd"));
  EXPECT_TRUE(out.end());
  EXPECT_EQ("xabcd", out.bytes());
  EXPECT_FALSE(out.drop());
}

TEST(SavedStretchTest, FewerBytesThanTheHeirHasAreAskedForAgain) {
  SavedStretch out;
  out.begin({{10, 14}});
  EXPECT_TRUE(out.append_at(10, "ab"));
  EXPECT_FALSE(out.end());
}

TEST(SavedStretchTest, SayingNothingDropsAllOfIt) {
  SavedStretch out;
  out.begin({{10, 14}});
  EXPECT_TRUE(out.end());
  EXPECT_EQ(4U, out.drop());
  EXPECT_TRUE(out.bytes().empty());
}

TEST(SavedStretchTest, APositionAtTheEndOfAllNumbersIsRefused) {
  SavedStretch out;
  out.begin({});
  EXPECT_FALSE(out.append_at(UINT64_MAX, "ab"));
}

}  // namespace
}  // namespace handoff::io
