#include "libhandoff/base/secret.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

namespace handoff {
namespace {

TEST(SecretTest, WipingOverwritesAllThatTheMemoryEverHad) {
  std::string bytes(100, 'k');
  bytes.resize(10);
  const char* const memory = bytes.data();
  const std::size_t capacity = bytes.capacity();
  wipe(bytes);
  EXPECT_TRUE(bytes.empty());
  ASSERT_EQ(memory, bytes.data()) << "the memory serves again";
  for (std::size_t i = 0; i < capacity; ++i) ASSERT_EQ(0, memory[i]) << i;
}

TEST(SecretTest, WhatGrowsKeepsItsBytes) {
  std::string bytes(20, 'k');
  reserve_and_wipe(bytes, 1000);
  EXPECT_EQ(std::string(20, 'k'), bytes);
  EXPECT_GE(bytes.capacity(), 1020U);
  const char* const memory = bytes.data();
  bytes.append(1000, 'l');
  EXPECT_EQ(memory, bytes.data()) << "nothing was left elsewhere";
}

TEST(SecretTest, AShortOneLeavesNothingWhereItWasMovedFrom) {
  Secret from;
  from.append("short");
  Secret to(std::move(from));
  EXPECT_EQ("short", to.view());
  const auto* const bytes = reinterpret_cast<const char*>(&from);  // NOLINT: its own memory
  // An empty string's first byte is its end.
  EXPECT_EQ(std::string_view::npos, std::string_view(bytes, sizeof from).find("hort"));
  from = std::move(to);
  const auto* const others = reinterpret_cast<const char*>(&to);  // NOLINT
  EXPECT_EQ(std::string_view::npos, std::string_view(others, sizeof to).find("hort"));
  EXPECT_EQ("short", from.view());
  from.wipe();
  EXPECT_TRUE(from.empty());
}

}  // namespace
}  // namespace handoff
