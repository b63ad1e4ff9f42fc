// Every cell of the heir's table: each state, reached on its ordinary way, and each event in it.
#include "libhandoff/core/heir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <vector>

namespace handoff::core {
namespace {

using S = HeirState;
using E = HeirEventType;
using F = HeirEffect;
using ::testing::ElementsAre;

constexpr Limits kLimits{.stall = 1000, .budget = 100};

HeirEvent event(E type) { return {.type = type, .reason = {Code::kRejected, "why"}}; }

struct At {
  Heir heir{kLimits};
  Time now = 0;
  void step(std::initializer_list<E> events) {
    for (const E e : events) heir.step(event(e), now);
  }
};

At in(S state) {
  At at;
  at.heir.start(0);
  switch (state) {
    case S::kWaiting:
      break;
    case S::kReceiving:
      at.step({E::kHelloAccepted, E::kListeners});
      break;
    case S::kCopied:
      at.step({E::kHelloAccepted, E::kListeners, E::kCopyEnd});
      break;
    case S::kRestoring:
      at.step({E::kHelloAccepted, E::kListeners, E::kCopyEnd, E::kPrepare});
      break;
    case S::kFailed:
      at.step({E::kRefused});
      break;
    case S::kFencing:
      at.step({E::kHelloAccepted, E::kListeners, E::kCopyEnd, E::kChannelClosed});
      break;
    case S::kReadingOut:
      at.step({E::kHelloAccepted, E::kListeners, E::kCopyEnd, E::kPeerExited});
      break;
    case S::kPrepared:
    case S::kClaiming:
    case S::kOwner:
      at.step({E::kHelloAccepted, E::kListeners, E::kCopyEnd, E::kPrepare, E::kRestored});
      if (state != S::kPrepared) at.step({E::kRelease});
      if (state == S::kOwner) at.step({E::kWon});
      break;
  }
  EXPECT_EQ(name(state), name(at.heir.state()));
  return at;
}

std::string apply(At at, E type) {
  const S before = at.heir.state();
  if (type == E::kTimer) at.now = at.heir.deadline().value_or(0);
  const auto effects = at.heir.step(event(type), at.now);
  if (effects.empty() && at.heir.state() == before) return "-";
  std::string out(name(at.heir.state()));
  for (const F effect : effects) out += " " + std::string(name(effect));
  return out;
}

using Row = std::map<std::string, std::string>;

const std::string kTellAndGo = "Failed SendAbort Go";
const std::string kGo = "Failed Go";

// The cells that all states before Prepare share: messages out of order, and ends of the handoff.
Row copy_row(Row extra) {
  Row row{{"Hello", kTellAndGo},
          {"Refused", kTellAndGo},
          {"PeerAborted", kGo},
          {"Malformed", kTellAndGo},
          {"Listeners", kTellAndGo},
          {"copy message", kTellAndGo},
          {"CopyEnd", kTellAndGo},
          {"Prepare", kTellAndGo},
          {"Restored", kTellAndGo},
          {"Release", kTellAndGo},
          {"Won", kTellAndGo},
          {"Lost", kTellAndGo},
          {"ChannelClosed", "Fencing Fence"},
          {"PeerExited", "ReadingOut ReadOut"},
          {"ReadOut", kTellAndGo},
          {"Timer", kTellAndGo}};
  for (auto& [event, result] : extra) row[event] = result;
  return row;
}

const std::map<S, Row> kTable = {
    {S::kWaiting,
     copy_row({{"Hello", "Receiving SendHello"}, {"ChannelClosed", kGo}, {"PeerExited", kGo}})},
    {S::kReceiving, copy_row({{"copy message", "-"},
                              {"CopyEnd", "Copied SendCopied"},
                              {"Prepare", "Restoring Restore"}})},
    {S::kCopied, copy_row({{"copy message", "Receiving"},
                           {"CopyEnd", "Copied SendCopied"},
                           {"Prepare", "Restoring Restore"}})},
    {S::kRestoring,
     {{"Hello", kTellAndGo},
      {"Refused", kTellAndGo},
      {"PeerAborted", kGo},
      {"Malformed", kTellAndGo},
      {"Listeners", kTellAndGo},
      {"copy message", kTellAndGo},
      {"CopyEnd", kTellAndGo},
      {"Prepare", kTellAndGo},
      {"Release", kTellAndGo},
      {"Restored", "Prepared SendPrepared"}}},
    {S::kPrepared,
     {{"Hello", kTellAndGo},
      {"Refused", kTellAndGo},
      {"PeerAborted", kGo},
      {"Malformed", kTellAndGo},
      {"Listeners", kTellAndGo},
      {"copy message", kTellAndGo},
      {"CopyEnd", kTellAndGo},
      {"Prepare", kTellAndGo},
      {"Restored", kTellAndGo},
      {"Release", "Claiming Claim"},
      {"Won", kTellAndGo},
      {"Lost", kTellAndGo},
      {"ChannelClosed", "Claiming Claim"},
      {"PeerExited", "Claiming Claim"},
      {"ReadOut", kTellAndGo},
      {"Timer", "Claiming Claim"}}},
    {S::kClaiming, {{"Won", "Owner SendResumed Run"}, {"Lost", kGo}, {"Timer", "Claiming Claim"}}},
    {S::kFencing, {{"PeerExited", "ReadingOut ReadOut"}}},
    {S::kReadingOut, {{"ReadOut", "Owner KeepUnmoved Run"}}},
    {S::kOwner, {}},
    {S::kFailed, {}},
};

TEST(HeirTest, EveryCellOfTheTableIsAsWritten) {
  ASSERT_EQ(static_cast<std::size_t>(kHeirStates), kTable.size());
  for (const auto& [state, row] : kTable) {
    for (int e = 0; e < kHeirEvents; ++e) {
      const auto type = static_cast<E>(e);
      const auto cell = row.find(std::string(name(type)));
      EXPECT_EQ(cell == row.end() ? "-" : cell->second, apply(in(state), type))
          << name(state) << " + " << name(type);
    }
  }
}

// While it waits for the donor's exit, as afterwards: a Prepare that is still to be read can't make
// up for it.
TEST(HeirTest, WhatHasBecomeStaleWhileItFencedIsNotTakenForWhole) {
  for (const E why : {E::kRefused, E::kPeerAborted, E::kMalformed}) {
    At at = in(S::kFencing);
    at.step({why, E::kPeerExited, E::kPrepare});
    EXPECT_EQ("Owner KeepUnmoved Run", apply(at, E::kReadOut)) << name(why);
  }
  At at = in(S::kFencing);
  at.step({E::kPeerExited, E::kPrepare});
  EXPECT_EQ("Restoring Restore", apply(at, E::kReadOut));
}

// The ownership word decides, whether the heir was released or not.
TEST(HeirTest, OwnsTheSessionsOnceItHasTheDeed) {
  for (const E why : {E::kRelease, E::kTimer, E::kChannelClosed, E::kPeerExited}) {
    At at = in(S::kPrepared);
    at.now = at.heir.deadline().value();
    EXPECT_THAT(at.heir.step(event(why), at.now), ElementsAre(F::kClaim)) << name(why);
    EXPECT_THAT(at.heir.step(event(E::kWon), at.now), ElementsAre(F::kSendResumed, F::kRun));
    EXPECT_EQ(why == E::kChannelClosed || why == E::kPeerExited, at.heir.donor_died());
    EXPECT_FALSE(at.heir.mid_copy());
  }
}

TEST(HeirTest, GoesWhenTheDonorTookTheSessionsBack) {
  for (const E why : {E::kRelease, E::kTimer, E::kChannelClosed}) {
    At at = in(S::kPrepared);
    at.now = at.heir.deadline().value();
    at.step({why});
    EXPECT_EQ(kGo, apply(at, E::kLost)) << name(why);
  }
}

// A donor that took the word served again before it died, so the heir's copy may be stale.
TEST(HeirTest, KeepsOnlyWhatHasNotMovedOfADonorThatTookTheSessionsBackAndDied) {
  for (const bool late : {false, true}) {
    At at = in(S::kPrepared);
    if (late) at.step({E::kChannelClosed, E::kPeerExited});
    if (!late) at.step({E::kPeerExited});
    EXPECT_EQ("Owner KeepUnmoved Run", apply(at, E::kLost));
    at.step({E::kLost});
    EXPECT_TRUE(at.heir.donor_died());
    EXPECT_TRUE(at.heir.mid_copy());
  }
}

TEST(HeirTest, CountsAPrepareThatIsFoundAfterTheDonorsExit) {
  At at = in(S::kCopied);
  at.step({E::kPeerExited, E::kProgress, E::kPrepare});
  EXPECT_THAT(at.heir.step(event(E::kReadOut), 0), ElementsAre(F::kRestore));
  EXPECT_THAT(at.heir.step(event(E::kRestored), 0), ElementsAre(F::kClaim));
  EXPECT_EQ("Owner SendResumed Run", apply(at, E::kWon));
  EXPECT_EQ("Owner KeepUnmoved Run", apply(at, E::kLost));
}

TEST(HeirTest, KeepsOnlyWhatHasNotMovedWhenTheDonorDiedInMidCopy) {
  At at = in(S::kReceiving);
  at.step({E::kPeerExited});
  EXPECT_THAT(at.heir.step(event(E::kReadOut), 0), ElementsAre(F::kKeepUnmoved, F::kRun));
  EXPECT_TRUE(at.heir.mid_copy());
}

TEST(HeirTest, GoesWhenTheDonorDiedBeforeItsListenersWereHere) {
  At at;
  at.heir.start(0);
  at.step({E::kHelloAccepted, E::kPeerExited});
  EXPECT_THAT(at.heir.step(event(E::kReadOut), 0), ElementsAre(F::kGo));
}

// Without the listeners nobody could connect to the new owner, so even a complete Prepare is not
// enough.
TEST(HeirTest, GoesWhenTheDonorThatDiedHadPreparedWithoutListeners) {
  At at;
  at.heir.start(0);
  at.step({E::kHelloAccepted, E::kPeerExited, E::kPrepare});
  EXPECT_THAT(at.heir.step(event(E::kReadOut), 0), ElementsAre(F::kGo));
}

TEST(HeirTest, TakesListenersThatAreFoundAfterTheDonorsExit) {
  At at;
  at.heir.start(0);
  at.step({E::kHelloAccepted, E::kPeerExited, E::kListeners});
  EXPECT_THAT(at.heir.step(event(E::kReadOut), 0), ElementsAre(F::kKeepUnmoved, F::kRun));
}

TEST(HeirTest, TakesWhatCantBeAppliedAfterTheDonorsExitForACrash) {
  for (const E last : {E::kPeerAborted, E::kMalformed, E::kRefused}) {
    At at = in(S::kReadingOut);
    at.step({E::kPrepare, last});
    EXPECT_THAT(at.heir.step(event(E::kReadOut), 0), ElementsAre(F::kKeepUnmoved, F::kRun))
        << name(last);
  }
}

TEST(HeirTest, AsksTheDeedOnceItHasRestoredWhatADonorThatIsGoneHadPrepared) {
  for (const E gone : {E::kPeerExited, E::kChannelClosed}) {
    At at = in(S::kRestoring);
    EXPECT_TRUE(at.heir.step(event(gone), 0).empty());
    EXPECT_EQ("Claiming Claim", apply(at, E::kRestored)) << name(gone);
  }
}

TEST(HeirTest, GivesTheDonorTwiceItsBudgetToRelease) {
  At at = in(S::kRestoring);
  at.now = 50;
  at.step({E::kRestored});
  EXPECT_EQ(250, at.heir.deadline());
  EXPECT_TRUE(at.heir.step(event(E::kTimer), 249).empty());
}

TEST(HeirTest, EveryMessageOfTheCopyExtendsIt) {
  At at = in(S::kCopied);
  at.now = 700;
  at.step({E::kProgress});
  EXPECT_EQ(1700, at.heir.deadline());
}

// When the donor has gone while the last sessions are restored, nobody else may be left. So the
// heir stays after any further failure. What it has restored may be stale, and is not served.
TEST(HeirTest, DoesNotGoWhileRestoringOnceTheDonorHasGone) {
  for (const E gone : {E::kPeerExited, E::kChannelClosed}) {
    for (const E wrong : {E::kRefused, E::kMalformed, E::kPeerAborted, E::kProgress}) {
      At at = in(S::kRestoring);
      at.step({gone});
      EXPECT_EQ("Claiming Claim", apply(at, wrong)) << name(wrong);
      at.step({wrong});
      EXPECT_EQ("Owner SendResumed KeepUnmoved Run", apply(at, E::kWon)) << name(wrong);
      EXPECT_EQ(gone == E::kPeerExited ? "Owner KeepUnmoved Run" : kGo, apply(at, E::kLost));
    }
  }
}

// ---- of a donor with a vault ----------------------------------------------------------------

constexpr Limits kWithVault{.stall = 1000, .budget = 100, .donor_kept = true};

// Every order of a few events in every state: whoever becomes the owner has all of the sessions.
TEST(HeirTest, KeepsNoPartOfWhatTheDonorsVaultHas) {
  const std::vector<E> all = {E::kListeners,   E::kProgress,      E::kCopyEnd,    E::kPrepare,
                              E::kRestored,    E::kRelease,       E::kWon,        E::kLost,
                              E::kPeerAborted, E::kChannelClosed, E::kPeerExited, E::kReadOut,
                              E::kRefused,     E::kMalformed,     E::kTimer};
  const std::function<void(At, int)> explore = [&](const At& at, int depth) {
    for (const E type : all) {
      At next = at;
      if (type == E::kTimer) next.now = next.heir.deadline().value_or(next.now);
      for (const F effect : next.heir.step(event(type), next.now)) {
        ASSERT_NE(effect, F::kKeepUnmoved);
      }
      if (depth > 0 && !next.heir.finished()) explore(next, depth - 1);
    }
  };
  At at{.heir = Heir(kWithVault)};
  at.heir.start(0);
  at.step({E::kHelloAccepted});
  explore(at, 4);
  at.step({E::kListeners, E::kCopyEnd, E::kPrepare});
  explore(at, 4);
}

TEST(HeirTest, GivesUpInMidCopyIfItsDonorHasAVault) {
  At at{.heir = Heir(kWithVault)};
  at.heir.start(0);
  at.step({E::kHelloAccepted, E::kListeners, E::kProgress, E::kPeerExited});
  EXPECT_EQ(kGo, apply(at, E::kReadOut));
  at.step({E::kReadOut});
  EXPECT_EQ(Code::kPeerDied, at.heir.reason().code);
}

TEST(HeirTest, TakesWhatADonorWithAVaultHadPrepared) {
  At at{.heir = Heir(kWithVault)};
  at.heir.start(0);
  at.step({E::kHelloAccepted, E::kListeners, E::kPeerExited, E::kPrepare, E::kReadOut});
  EXPECT_THAT(at.heir.step(event(E::kRestored), 0), ElementsAre(F::kClaim));
  EXPECT_EQ("Owner SendResumed Run", apply(at, E::kWon));
  EXPECT_EQ(kGo, apply(at, E::kLost)) << "the donor had taken them back, and its vault has them";
}

TEST(HeirTest, GoesForWhatWentWrongAndNotForTheDeed) {
  At at = in(S::kRestoring);
  at.step({E::kChannelClosed, E::kRefused, E::kLost});
  EXPECT_EQ(Code::kRejected, at.heir.reason().code);
}

}  // namespace
}  // namespace handoff::core
