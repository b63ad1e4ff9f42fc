#include "libhandoff/core/convergence.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace handoff::core {
namespace {

// Sections of so many bytes that change by some bytes in a microsecond, all of them copied at the
// same rate.
struct Section {
  std::uint64_t size = 0;
  double changed_each_us = 0;
  double copied_each_us = 1000;

  RoundSeen round(std::uint64_t bytes) const {
    const auto took = static_cast<Duration>(static_cast<double>(bytes) / copied_each_us);
    return {.took = took + 500, .copying = took, .bytes = bytes};
  }
  std::uint64_t changes(Duration in) const {
    return std::min(size, static_cast<std::uint64_t>(changed_each_us * static_cast<double>(in)));
  }
  Duration freeze(std::uint64_t bytes) const {
    return static_cast<Duration>(static_cast<double>(bytes) / copied_each_us);
  }
};

struct Copy {
  std::uint32_t rounds = 0;
  Duration frozen = 0;
  Duration said = -1;  // before it froze
};

Copy copy(const Section& section) {
  Copy out;
  Convergence seen;
  std::uint64_t bytes = section.size;
  for (;;) {
    ++out.rounds;
    const RoundSeen round = section.round(bytes);
    seen.add(round);
    bytes = section.changes(round.took);
    if (!seen.another()) break;
  }
  out.frozen = section.freeze(bytes);
  out.said = seen.rest().value_or(-1);
  return out;
}

TEST(ConvergenceTest, WithoutSectionsThereIsNothingToCopyAgain) {
  Convergence seen;
  seen.add({.took = 1'000'000, .copying = 0, .bytes = 0});
  EXPECT_FALSE(seen.another());
  EXPECT_EQ(seen.rest(), 0);
}

TEST(ConvergenceTest, ASmallSectionIsFrozenAtOnce) {
  EXPECT_EQ(copy({.size = 1'000'000, .changed_each_us = 500}).rounds, 1U);
}

TEST(ConvergenceTest, OneThatNobodyWritesToIsLookedAtOnceMore) {
  const Copy seen = copy({.size = 1'000'000'000});
  EXPECT_EQ(seen.rounds, 2U);
  EXPECT_EQ(seen.frozen, 0);
}

// 2.7 million keys, and 80,000 of them set in a second over one connection.
TEST(ConvergenceTest, ALargeOneWithOneWriterComesDownToLittle) {
  const Copy seen = copy({.size = 500'000'000, .changed_each_us = 16, .copied_each_us = 300});
  EXPECT_GT(seen.rounds, 2U);
  EXPECT_LE(seen.frozen, Convergence::kLittle);
}

// Seen: kv, a million keys of 1 kB, 20,000 SETs a second over one connection. In the second round
// it served less than what came. The third was short, and in it the clients caught up.
TEST(ConvergenceTest, ClientsThatALongRoundKeptWaitingComeInTheNext) {
  Convergence seen;
  seen.add({.took = 2'339'684, .copying = 2'338'447, .bytes = 1'028'000'025});
  EXPECT_TRUE(seen.another());
  seen.add({.took = 163'867, .copying = 163'507, .bytes = 48'482'536});
  EXPECT_TRUE(seen.another());
  seen.add({.took = 4'406, .copying = 4'301, .bytes = 786'420});
  EXPECT_LE(seen.rest(), Convergence::kLittle);
  EXPECT_TRUE(seen.another());
  seen.add({.took = 4'558, .copying = 4'478, .bytes = 589'044});
  EXPECT_TRUE(seen.another()) << "they still do";
  seen.add({.took = 609, .copying = 546, .bytes = 107'940});
  EXPECT_FALSE(seen.another());
}

TEST(ConvergenceTest, OneThatChangesAsFastAsItIsCopiedIsNotCopiedForEver) {
  for (const double rate : {0.9, 1.0, 3.0}) {
    const Copy seen = copy({.size = 1'000'000'000, .changed_each_us = 1000 * rate});
    EXPECT_LE(seen.rounds, 3U) << rate;
  }
}

// Whatever the rates, rounds end, and no freeze is longer than without them.
TEST(ConvergenceTest, RoundsEndAndNeverCost) {
  for (const std::uint64_t size : {1'000'000ULL, 10'000'000ULL, 100'000'000ULL, 1'000'000'000ULL}) {
    for (int percent = 0; percent <= 200; percent += 5) {
      const Section section{.size = size, .changed_each_us = 10.0 * percent};
      const Copy seen = copy(section);
      const Duration at_once = section.freeze(section.changes(section.round(size).took));
      EXPECT_LE(seen.rounds, Convergence::kMost);
      EXPECT_LE(seen.frozen, at_once + 1) << size << " bytes, " << percent << "%";
      if (percent <= 50) {
        EXPECT_LE(seen.frozen, std::max<Duration>(2 * Convergence::kLittle, at_once / 2))
            << size << " bytes, " << percent << "%";
      }
    }
  }
}

// What it says before the freeze, and what a rehearsal says after its only round.
TEST(ConvergenceTest, WhatItForeseesIsWithinAFactorOfThree) {
  const auto near = [](Duration said, Duration is) {
    constexpr Duration kNothing = Convergence::kLittle;
    return said <= 3 * is + kNothing && is <= 3 * said + kNothing;
  };
  for (const std::uint64_t size : {10'000'000ULL, 100'000'000ULL, 1'000'000'000ULL}) {
    for (int percent = 0; percent <= 90; percent += 5) {
      const Section section{.size = size, .changed_each_us = 10.0 * percent};
      const Copy seen = copy(section);
      EXPECT_TRUE(near(seen.said, seen.frozen))
          << size << " bytes, " << percent << "%: " << seen.said << ", " << seen.frozen;
      const RoundSeen first = section.round(size);
      const Duration foreseen = Convergence::foresee(first, section.changes(first.took));
      EXPECT_TRUE(near(foreseen, seen.frozen))
          << size << " bytes, " << percent << "%: " << foreseen << ", " << seen.frozen;
    }
  }
}

}  // namespace
}  // namespace handoff::core
