// Keys of session tickets: their periods, and how they go to the next generation.
#include "libhandoff-tls/core/tickets.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace handoff::tls {
namespace {

using Random = std::array<std::uint8_t, TicketKey::kRandomSize>;

Random random_of(std::uint8_t fill) {
  Random out;
  out.fill(fill);
  return out;
}

std::string saved(const TicketKeys& keys) {
  std::string out(keys.size(), '\0');
  keys.write(reinterpret_cast<std::uint8_t*>(out.data()));
  return out;
}

bool opens(const TicketKeys& keys, std::uint8_t fill, std::uint64_t now_s) {
  std::array<std::uint8_t, TicketKey::kNameSize> name;
  name.fill(fill);
  const TicketKey* const key = keys.find(name, now_s);
  return key != nullptr && key->cipher.data()[31] == fill && key->mac.data()[0] == fill;
}

TEST(TicketKeysTest, AKeySealsForOnePeriodAndOpensForTwo) {
  TicketKeys keys;
  keys.set_period(100);
  EXPECT_TRUE(keys.due(1000));
  EXPECT_EQ(nullptr, keys.newest());
  keys.rotate(random_of('a'), 1000);
  EXPECT_FALSE(keys.due(1099));
  EXPECT_TRUE(keys.due(1100));
  keys.rotate(random_of('b'), 1100);
  EXPECT_EQ('b', keys.newest()->name[0]);
  EXPECT_TRUE(opens(keys, 'a', 1199));
  EXPECT_FALSE(opens(keys, 'a', 1200));
  EXPECT_TRUE(opens(keys, 'b', 1299));
  keys.rotate(random_of('c'), 1200);
  EXPECT_FALSE(opens(keys, 'a', 1200));
  EXPECT_TRUE(opens(keys, 'b', 1200));
  EXPECT_TRUE(opens(keys, 'c', 1200));
}

TEST(TicketKeysTest, AKeyOfATimeToComeIsReplaced) {
  TicketKeys keys;
  keys.rotate(random_of('a'), 1000);
  EXPECT_TRUE(keys.due(999));
  EXPECT_FALSE(opens(keys, 'a', 999));
}

TEST(TicketKeysTest, TheNextGenerationHasThem) {
  TicketKeys keys, next;
  EXPECT_TRUE(next.read(saved(keys))) << "none yet";
  EXPECT_TRUE(next.due(0));
  keys.rotate(random_of('a'), 1000);
  keys.rotate(random_of('b'), 50'000);
  next.rotate(random_of('c'), 1);
  ASSERT_TRUE(next.read(saved(keys)));
  EXPECT_EQ(saved(keys), saved(next));
  EXPECT_TRUE(opens(next, 'a', 50'000));
  EXPECT_TRUE(opens(next, 'b', 50'000));
  EXPECT_FALSE(opens(next, 'c', 50'000));
}

TEST(TicketKeysTest, WhatNoReleaseHasWrittenIsRefused) {
  TicketKeys keys;
  keys.rotate(random_of('a'), 1000);
  const std::string good = saved(keys);
  EXPECT_GE(TicketKeys::kMaxSize, good.size());
  TicketKeys next;
  for (std::size_t size = 0; size < good.size(); ++size) {
    ASSERT_FALSE(next.read(std::string_view(good).substr(0, size))) << size;
  }
  EXPECT_FALSE(next.read(good + "x"));
  std::string many = good;
  many[1] = 3;
  EXPECT_FALSE(next.read(many));
  EXPECT_TRUE(next.due(0));
  std::string newer = "\x02 as a newer release writes it";
  EXPECT_TRUE(next.read(newer)) << "passed over";
  EXPECT_TRUE(next.due(0));
}

}  // namespace
}  // namespace handoff::tls
