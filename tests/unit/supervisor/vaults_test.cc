#include "supervisor/core/vaults.h"

#include <gtest/gtest.h>

#include <csignal>

#include "show.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;

const Exit kFromOutside{.signalled = true, .number = SIGKILL};
const Exit kByItself{.signalled = true, .number = SIGSEGV};
const Vaults::Policy kVaultPolicy{.max_crashes = 3, .max_recoveries = {2, 1min}};

TEST(VaultsTest, OneThatNeverOwnedIsOfNoUse) {
  Vaults vaults;
  EXPECT_FALSE(vaults.left(3, {.owned = false, .reading = {7}}, kByItself));
  EXPECT_EQ(vaults.source(), 0U);
  EXPECT_NE(vaults.refusal(kVaultPolicy, at(0s)), "");
  EXPECT_TRUE(vaults.quarantined({.max_crashes = 1}).empty());
}

TEST(VaultsTest, TheNewestCounts) {
  Vaults vaults;
  EXPECT_TRUE(vaults.left(5, {.owned = true}, kFromOutside));
  EXPECT_TRUE(vaults.left(4, {.owned = true}, kFromOutside));
  EXPECT_EQ(vaults.source(), 5U);
  vaults.lost(5);
  EXPECT_EQ(vaults.source(), 4U);
  EXPECT_EQ(vaults.take_all(), std::vector<Generation>{4});
  EXPECT_EQ(vaults.source(), 0U);
}

TEST(VaultsTest, WithNobodyToBlameAServiceGoesOnSoOftenWithinAWhile) {
  Vaults vaults;
  for (const std::chrono::seconds second : {0s, 10s}) {
    ASSERT_TRUE(vaults.left(1, {.owned = true, .reading = {7}}, kFromOutside));
    ASSERT_EQ(vaults.refusal(kVaultPolicy, at(second)), "");
    vaults.begun(kVaultPolicy, at(second));
  }
  EXPECT_EQ(vaults.refusal(kVaultPolicy, at(59s)),
            "recoveries were begun 2 times within 1 min 00 s (vault_max_recoveries)");
  EXPECT_EQ(vaults.refusal(kVaultPolicy, at(60s)), "") << "the first one is a minute ago";
  vaults.begun(kVaultPolicy, at(60s));
  EXPECT_NE(vaults.refusal(kVaultPolicy, at(61s)), "");
}

TEST(VaultsTest, ASessionToBlameGoesOnUntilItsLastCrash) {
  Vaults vaults;
  for (int crash = 1; crash <= 3; ++crash) {
    EXPECT_TRUE(vaults.quarantined(kVaultPolicy).empty());
    ASSERT_TRUE(vaults.left(1, {.owned = true, .reading = {7}}, kByItself));
    ASSERT_EQ(vaults.refusal(kVaultPolicy, at(0s)), "");
    vaults.begun(kVaultPolicy, at(0s));
  }
  EXPECT_EQ(vaults.quarantined(kVaultPolicy), std::vector<std::uint64_t>{7});
  // No session is at fault where a recovery fails.
  EXPECT_EQ(vaults.refusal(kVaultPolicy, at(0s)), "");
  vaults.begun(kVaultPolicy, at(0s));
  EXPECT_EQ(vaults.quarantined(kVaultPolicy), std::vector<std::uint64_t>{7}) << "still to be reset";
  vaults.recovered(kVaultPolicy);
  EXPECT_TRUE(vaults.quarantined(kVaultPolicy).empty());
}

TEST(VaultsTest, ASignalFromOutsideBlamesNobody) {
  for (const int number : {SIGKILL, SIGTERM, SIGINT, SIGHUP}) {
    Vaults vaults;
    ASSERT_TRUE(vaults.left(1, {.owned = true, .reading = {7}}, {true, number}));
    EXPECT_TRUE(vaults.quarantined({.max_crashes = 1}).empty()) << number;
  }
  for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {
    Vaults vaults;
    ASSERT_TRUE(vaults.left(1, {.owned = true, .reading = {7}}, {true, number}));
    EXPECT_EQ(vaults.quarantined({.max_crashes = 1}).size(), 1U) << number;
  }
  Vaults vaults;
  ASSERT_TRUE(vaults.left(1, {.owned = true, .reading = {7}}, {.number = 3}));
  EXPECT_TRUE(vaults.quarantined({.max_crashes = 1}).empty());
}

TEST(VaultsTest, OfLanesEachSessionIsBlamed) {
  Vaults vaults;
  for (std::uint64_t crash = 1; crash <= 3; ++crash) {
    ASSERT_TRUE(vaults.left(1, {.owned = true, .reading = {10 + crash, 7}}, kByItself));
  }
  EXPECT_EQ(vaults.quarantined(kVaultPolicy), std::vector<std::uint64_t>{7});
}

// A process may write another number there each time.
TEST(VaultsTest, WhoeverIsToBlameThereIsAnEnd) {
  Vaults vaults;
  std::uint64_t session = 0;
  std::size_t tries = 0;
  while (tries <= Vaults::kMostTries) {
    ASSERT_TRUE(vaults.left(1, {.owned = true, .reading = {++session}}, kByItself));
    if (!vaults.refusal(kVaultPolicy, at(0s)).empty()) break;
    vaults.begun(kVaultPolicy, at(0s));
    ++tries;
  }
  EXPECT_EQ(tries, Vaults::kMostTries);
  EXPECT_EQ(vaults.refusal(kVaultPolicy, at(0s)),
            "recoveries were begun 100 times within 1 min 00 s, whoever was to blame");
  EXPECT_EQ(vaults.refusal(kVaultPolicy, at(60s)), "");
}

TEST(VaultsTest, SoManySuspectsAreRemembered) {
  Vaults vaults;
  for (std::uint64_t session = 1; session <= 2 * Vaults::kMostSuspects; ++session) {
    ASSERT_TRUE(vaults.left(1, {.owned = true, .reading = {session}}, kByItself));
  }
  const auto all = vaults.quarantined({.max_crashes = 1});
  EXPECT_EQ(all.size(), Vaults::kMostSuspects);
  EXPECT_EQ(all.back(), 2 * Vaults::kMostSuspects);
  ASSERT_TRUE(vaults.left(1, {.owned = true, .reading = {1}}, kByItself));
  EXPECT_EQ(vaults.quarantined({.max_crashes = 1}).front(), 1U) << "the one that has just crashed";
}

TEST(VaultsTest, TheNextSupervisorKnowsAsMuch) {
  Vaults vaults;
  ASSERT_TRUE(vaults.left(2, {.owned = true, .reading = {7}}, kByItself));
  vaults.begun(kVaultPolicy, at(0s));
  vaults.begun(kVaultPolicy, at(1s));
  Vaults next;
  next.restore(vaults.saved());
  EXPECT_EQ(next, vaults);
  EXPECT_EQ(next.source(), 2U);
  EXPECT_EQ(next.quarantined({.max_crashes = 1}).size(), 1U);
}

}  // namespace
}  // namespace handoff::supervisor
