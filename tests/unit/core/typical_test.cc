#include "libhandoff/core/typical.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace handoff::core {
namespace {

TEST(TypicalTest, OfNothingItIsZero) { EXPECT_EQ(0U, Typical().ns()); }

TEST(TypicalTest, OfOneItIsThatOneToAnEighth) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    for (const std::uint64_t near : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{5}}) {
      const std::uint64_t ns = (std::uint64_t{1} << bit) + near;
      Typical typical;
      typical.add(ns);
      EXPECT_LE(typical.ns(), ns);
      EXPECT_GE(typical.ns(), ns - ns / 8) << ns;
    }
  }
  Typical most;
  most.add(std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(std::uint64_t{15} << 60, most.ns());
}

TEST(TypicalTest, SmallNumbersAreExact) {
  for (std::uint64_t ns = 0; ns < 16; ++ns) {
    Typical typical;
    typical.add(ns);
    EXPECT_EQ(ns, typical.ns());
  }
}

TEST(TypicalTest, AFewSlowOnesDoNotCount) {
  Typical typical;
  for (int i = 0; i < 10; ++i) typical.add(1'000'000);
  for (int i = 0; i < 11; ++i) typical.add(1024);
  EXPECT_EQ(1024U, typical.ns());
}

TEST(TypicalTest, OfAnEvenNumberItIsTheGreater) {
  Typical typical;
  typical.add(8);
  typical.add(9);
  EXPECT_EQ(9U, typical.ns());
}

}  // namespace
}  // namespace handoff::core
