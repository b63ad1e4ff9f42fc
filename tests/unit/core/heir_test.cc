// Every cell of the heir's table: each state, reached on its ordinary way, and each event in it.
#include "core/heir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

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
    default:
      at.step({E::kHelloAccepted, E::kListeners, E::kCopyEnd, E::kPrepare, E::kRestored});
      if (state == S::kFencing) at.step({E::kChannelClosed});
      if (state == S::kReadingOut) at.step({E::kPeerExited});
      if (state == S::kResuming) at.step({E::kRelease});
      if (state == S::kOwner) at.step({E::kRelease, E::kResumedSent});
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

// Before Prepare is complete: what comes out of order, and what ends it.
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
          {"ResumedSent", kTellAndGo},
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
      {"Release", "Resuming SendResumed"},
      {"ResumedSent", kTellAndGo},
      {"ChannelClosed", "Fencing Fence"},
      {"PeerExited", "ReadingOut ReadOut"},
      {"ReadOut", kTellAndGo},
      {"Timer", "Fencing Fence"}}},
    {S::kFencing, {{"PeerExited", "ReadingOut ReadOut"}}},
    {S::kReadingOut, {{"ReadOut", "Restoring Restore"}}},
    {S::kResuming,
     {{"ResumedSent", "Owner Run"},
      {"PeerExited", "ReadingOut ReadOut"},
      {"Timer", "Fencing Fence"}}},
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

TEST(HeirTest, ResumesOnceTheDonorDiedAfterPrepare) {
  At at = in(S::kPrepared);
  at.step({E::kChannelClosed, E::kPeerExited, E::kReadOut});
  EXPECT_THAT(at.heir.step(event(E::kRestored), 0), ElementsAre(F::kRun));
  EXPECT_TRUE(at.heir.donor_died());
  EXPECT_FALSE(at.heir.mid_copy());
}

TEST(HeirTest, CountsAPrepareThatIsFoundAfterTheDonorsExit) {
  At at = in(S::kCopied);
  at.step({E::kPeerExited, E::kProgress, E::kPrepare});
  EXPECT_THAT(at.heir.step(event(E::kReadOut), 0), ElementsAre(F::kRestore));
  EXPECT_THAT(at.heir.step(event(E::kRestored), 0), ElementsAre(F::kRun));
  EXPECT_FALSE(at.heir.mid_copy());
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

TEST(HeirTest, TakesListenersThatAreFoundAfterTheDonorsExit) {
  At at;
  at.heir.start(0);
  at.step({E::kHelloAccepted, E::kPeerExited, E::kListeners});
  EXPECT_THAT(at.heir.step(event(E::kReadOut), 0), ElementsAre(F::kKeepUnmoved, F::kRun));
}

// The donor may have thawed and served after it said Abort, and was then ended as a silent one.
TEST(HeirTest, TreatsAnAbortThatIsFoundAfterTheFenceAsACrash) {
  for (const E last : {E::kPeerAborted, E::kMalformed, E::kRefused}) {
    At at = in(S::kFencing);
    at.step({E::kPeerExited, last});
    EXPECT_THAT(at.heir.step(event(E::kReadOut), 0), ElementsAre(F::kKeepUnmoved, F::kRun))
        << name(last);
  }
  At at = in(S::kFencing);
  at.step({E::kPeerAborted, E::kPeerExited});
  EXPECT_THAT(at.heir.step(event(E::kReadOut), 0), ElementsAre(F::kKeepUnmoved, F::kRun));
}

TEST(HeirTest, KeepsWhatItCanWhenItCantRestoreAndNobodyIsLeftToGoBackTo) {
  At at = in(S::kReadingOut);
  at.step({E::kReadOut});
  EXPECT_THAT(at.heir.step(event(E::kRefused), 0), ElementsAre(F::kKeepUnmoved, F::kRun));
}

TEST(HeirTest, LooksAfterADonorThatDiedWhileItRestored) {
  At at = in(S::kRestoring);
  EXPECT_TRUE(at.heir.step(event(E::kPeerExited), 0).empty());
  EXPECT_THAT(at.heir.step(event(E::kRestored), 0), ElementsAre(F::kReadOut));
  EXPECT_EQ(S::kReadingOut, at.heir.state());
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

// The donor has died while the last sessions are restored: then nobody else is left, and whatever
// else goes wrong is no reason to go. What was restored may be stale, so it is not served.
TEST(HeirTest, DoesNotGoWhileRestoringOnceTheDonorHasDied) {
  for (const E wrong : {E::kRefused, E::kMalformed, E::kPeerAborted, E::kProgress}) {
    At at = in(S::kRestoring);
    at.step({E::kPeerExited});
    EXPECT_EQ("ReadingOut ReadOut", apply(at, wrong)) << name(wrong);
    at.step({wrong});
    EXPECT_EQ("Owner KeepUnmoved Run", apply(at, E::kReadOut)) << name(wrong);
  }
  At at = in(S::kRestoring);
  at.step({E::kChannelClosed});
  EXPECT_EQ("Fencing Fence", apply(at, E::kRefused));
  at.step({E::kRefused, E::kPeerExited});
  EXPECT_EQ("Owner KeepUnmoved Run", apply(at, E::kReadOut));
}

}  // namespace
}  // namespace handoff::core
