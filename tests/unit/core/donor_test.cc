// Every cell of the donor's table: each state, reached on its ordinary way, and each event in it.
#include "libhandoff/core/donor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

namespace handoff::core {
namespace {

using S = DonorState;
using E = DonorEventType;

constexpr Limits kLimits{.stall = 1000, .budget = 100};

DonorEvent event(E type) {
  return {.type = type, .reason = {Code::kRejected, "why"}, .dirty = 0, .sessions = 10};
}

// A donor in some state, and the time.
struct At {
  Donor donor{kLimits};
  Time now = 0;
  void step(std::initializer_list<E> events) {
    for (const E e : events) donor.step(event(e), now);
  }
};

At in(S state) {
  At at;
  at.donor.start(0);
  switch (state) {
    case S::kGreeting:
      break;
    case S::kCopying:
      at.step({E::kHelloAccepted});
      break;
    case S::kAwaitingCopied:
      at.step({E::kHelloAccepted, E::kRoundSent});
      break;
    case S::kFrozen:
      at.step({E::kHelloAccepted, E::kRoundSent, E::kCopied});
      break;
    case S::kPreparing:
      at.step({E::kHelloAccepted, E::kRoundSent, E::kCopied, E::kDeltaSent});
      break;
    case S::kReleasing:
      at.step({E::kHelloAccepted, E::kRoundSent, E::kCopied, E::kDeltaSent, E::kPrepared});
      break;
    case S::kReleased:
    case S::kClaiming:
    case S::kRetired:
      at.step({E::kHelloAccepted, E::kRoundSent, E::kCopied, E::kDeltaSent, E::kPrepared,
               E::kReleaseSent});
      if (state == S::kClaiming) at.step({E::kRefused});
      if (state == S::kRetired) at.step({E::kResumed});
      break;
    case S::kAborting:
      at.step({E::kRefused});
      break;
    case S::kAbortFencing:
      at.step({E::kRefused, E::kAbortUnsendable});
      break;
    case S::kServing:
      at.step({E::kPeerAborted});
      break;
  }
  EXPECT_EQ(name(state), name(at.donor.state()));
  return at;
}

// "Frozen: Freeze", or "-" where nothing happens.
std::string apply(At at, E type) {
  const S before = at.donor.state();
  if (type == E::kTimer) at.now = at.donor.deadline().value_or(0);
  const auto effects = at.donor.step(event(type), at.now);
  if (effects.empty() && at.donor.state() == before) return "-";
  std::string out(name(at.donor.state()));
  for (const DonorEffect effect : effects) out += " " + std::string(name(effect));
  return out;
}

// A row of the table: what a state does at each event. Events that are not named do nothing.
using Row = std::map<std::string, std::string>;

const std::string kTell = "Aborting SendAbort";
const std::string kClaim = "Claiming Claim";
const std::string kServeOn = "Serving CloseChannel ReportFailed";
const std::string kThawAndServeOn = "Serving Thaw CloseChannel ReportFailed";

Row serving_row(Row extra) {
  Row row{{"Hello", kTell},         {"Refused", kTell}, {"PeerAborted", kServeOn},
          {"Malformed", kTell},     {"Ack", kTell},     {"Copied", kTell},
          {"Prepared", kTell},      {"Resumed", kTell}, {"ChannelClosed", kServeOn},
          {"PeerExited", kServeOn}, {"Timer", kTell}};
  for (auto& [event, result] : extra) row[event] = result;
  return row;
}
Row frozen_row(Row extra) {
  Row row{{"Hello", kClaim},     {"Refused", kClaim}, {"PeerAborted", kClaim},
          {"Malformed", kClaim}, {"Copied", kClaim},  {"Prepared", kClaim},
          {"Resumed", kClaim},   {"Timer", kClaim},   {"ChannelClosed", kClaim},
          {"PeerExited", kClaim}};
  for (auto& [event, result] : extra) row[event] = result;
  return row;
}

const std::map<S, Row> kTable = {
    {S::kGreeting, serving_row({{"Hello", "Copying StartRound"}})},
    {S::kCopying, serving_row({{"Ack", "-"}, {"RoundSent", "AwaitingCopied"}})},
    {S::kAwaitingCopied, serving_row({{"Ack", "-"}, {"Copied", "Frozen Freeze"}})},
    {S::kFrozen, frozen_row({{"DeltaSent", "Preparing"}})},
    {S::kPreparing, frozen_row({{"Prepared", "Releasing SendRelease"}})},
    {S::kReleasing, frozen_row({{"ReleaseSent", "Released"}})},
    {S::kReleased, frozen_row({{"Resumed", "Retired Retire CloseChannel"}})},
    {S::kClaiming,
     {{"Won", "Aborting SendAbort Thaw"},
      {"Lost", "Retired Retire CloseChannel"},
      {"Timer", "Claiming Claim"}}},
    {S::kAborting,
     {{"AbortSent", kServeOn},
      {"AbortUnsendable", "AbortFencing Fence"},
      {"ChannelClosed", kServeOn},
      {"PeerExited", kServeOn}}},
    {S::kAbortFencing, {{"PeerExited", kServeOn}}},
    {S::kRetired, {}},
    {S::kServing, {}},
};

TEST(DonorTest, EveryCellOfTheTableIsAsWritten) {
  ASSERT_EQ(static_cast<std::size_t>(kDonorStates), kTable.size());
  for (const auto& [state, row] : kTable) {
    for (int e = 0; e < kDonorEvents; ++e) {
      const auto type = static_cast<E>(e);
      const auto cell = row.find(std::string(name(type)));
      EXPECT_EQ(cell == row.end() ? "-" : cell->second, apply(in(state), type))
          << name(state) << " + " << name(type);
    }
  }
}

TEST(DonorTest, AnAckExtendsTheCopyButNotTheFreeze) {
  At copy = in(S::kCopying);
  copy.now = 900;
  copy.step({E::kProgress});
  EXPECT_EQ(1900, copy.donor.deadline());
  At frozen = in(S::kFrozen);
  frozen.now = 70;
  frozen.step({E::kProgress, E::kDeltaSent, E::kProgress});
  EXPECT_EQ(80, frozen.donor.deadline());
}

TEST(DonorTest, TheLastFifthOfTheBudgetIsTheHeirs) {
  At at = in(S::kFrozen);
  at.now = 79;
  at.step({E::kDeltaSent, E::kPrepared, E::kReleaseSent});
  EXPECT_EQ(S::kReleased, at.donor.state());
  EXPECT_EQ(100, at.donor.deadline());
}

TEST(DonorTest, DoesNotReleaseAnHeirThatWasPreparedTooLate) {
  At at = in(S::kPreparing);
  at.now = 80;
  EXPECT_THAT(at.donor.step(event(E::kPrepared), at.now),
              ::testing::ElementsAre(DonorEffect::kClaim));
  EXPECT_EQ(Code::kTimeout, at.donor.reason().code);
}

TEST(DonorTest, ATimerThatFiresEarlyChangesNothing) {
  At at = in(S::kFrozen);
  at.now = 79;
  EXPECT_TRUE(at.donor.step(event(E::kTimer), at.now).empty());
  EXPECT_EQ(S::kFrozen, at.donor.state());
}

TEST(DonorTest, CopiesAgainWhileThatHelpsAndThenFreezes) {
  At at = in(S::kAwaitingCopied);
  const auto copied = [&](std::uint64_t dirty) {
    return at.donor.step({.type = E::kCopied, .reason = {}, .dirty = dirty, .sessions = 10'000}, 0);
  };
  EXPECT_THAT(copied(9'000), ::testing::ElementsAre(DonorEffect::kStartRound));
  at.step({E::kRoundSent});
  EXPECT_THAT(copied(4'000), ::testing::ElementsAre(DonorEffect::kStartRound));
  at.step({E::kRoundSent});
  EXPECT_THAT(copied(3'000), ::testing::ElementsAre(DonorEffect::kFreeze));
  EXPECT_EQ(3U, at.donor.round());
}

TEST(DonorTest, FreezesAtOnceWhenLittleIsLeftAndAfterTooManyRounds) {
  EXPECT_FALSE(Donor::another_round(1, 64, 1'000'000));
  EXPECT_TRUE(Donor::another_round(1, 65, 65));
  EXPECT_TRUE(Donor::another_round(2, 500, 1000));
  EXPECT_FALSE(Donor::another_round(2, 501, 1000));
  EXPECT_FALSE(Donor::another_round(8, 500, 1000));
}

TEST(DonorTest, CopiesSectionsAgainWhateverTheSessions) {
  At at = in(S::kAwaitingCopied);
  const auto copied = [&](Time now, std::uint64_t bytes, Duration copying) {
    return at.donor.step(
        {.type = E::kCopied, .sessions = 1, .section_bytes = bytes, .copying = copying}, now);
  };
  EXPECT_THAT(copied(100'000, 100'000'000, 90'000),
              ::testing::ElementsAre(DonorEffect::kStartRound));
  at.donor.step(event(E::kRoundSent), 105'000);
  EXPECT_THAT(copied(110'000, 10'000'000, 9'000), ::testing::ElementsAre(DonorEffect::kFreeze))
      << "what changes in 10 ms is copied in 0.9";
  EXPECT_EQ(2U, at.donor.round());
}

TEST(DonorTest, CopiesSectionsAgainUntilLittleIsLeft) {
  At at = in(S::kAwaitingCopied);
  Time now = 0;
  const auto copied = [&](std::uint64_t bytes, Duration took) {
    at.donor.step(event(E::kRoundSent), now);
    now += took;
    return at.donor.step(
        {.type = E::kCopied, .sessions = 1, .section_bytes = bytes, .copying = took}, now);
  };
  const auto again = ::testing::ElementsAre(DonorEffect::kStartRound);
  EXPECT_THAT(copied(1'000'000'000, 1'000'000), again);
  EXPECT_THAT(copied(100'000'000, 100'000), again) << "10 ms are left";
  EXPECT_THAT(copied(10'000'000, 10'000), again) << "1 ms is left, and more if clients waited";
  EXPECT_THAT(copied(1'000'000, 1'000), ::testing::ElementsAre(DonorEffect::kFreeze));
}

constexpr S kFrozenStates[] = {S::kFrozen, S::kPreparing, S::kReleasing, S::kReleased};

// The donor tells an heir that waits for an answer; any other heir knows, or is gone.
TEST(DonorTest, ThawsOnceItHasTheDeedWhateverItGaveUpFor) {
  for (const S state : kFrozenStates) {
    for (const E why : {E::kRefused, E::kMalformed, E::kTimer, E::kHelloAccepted}) {
      At at = in(state);
      at.now = at.donor.deadline().value();
      at.step({why});
      EXPECT_EQ("Aborting SendAbort Thaw", apply(at, E::kWon)) << name(state) << name(why);
    }
    for (const E why : {E::kPeerAborted, E::kChannelClosed, E::kPeerExited}) {
      At at = in(state);
      at.step({why});
      EXPECT_EQ(kThawAndServeOn, apply(at, E::kWon)) << name(state) << name(why);
    }
  }
}

// The heir was faster: the sessions are its own, whatever its messages say.
TEST(DonorTest, RetiresOnceTheDeedIsTheHeirs) {
  for (const S state : kFrozenStates) {
    for (const E why : {E::kRefused, E::kMalformed, E::kTimer, E::kPeerAborted, E::kChannelClosed,
                        E::kPeerExited}) {
      At at = in(state);
      at.now = at.donor.deadline().value();
      at.step({why});
      EXPECT_THAT(at.donor.step(event(E::kLost), at.now),
                  ::testing::ElementsAre(DonorEffect::kRetire, DonorEffect::kCloseChannel));
      EXPECT_EQ(why == E::kPeerExited, at.donor.heir_lost()) << name(state) << name(why);
    }
  }
}

TEST(DonorTest, KnowsOfAnExitThatItSeesWhileItAsksTheDeed) {
  At at = in(S::kClaiming);
  at.step({E::kPeerExited});
  EXPECT_EQ(kThawAndServeOn, apply(at, E::kWon));
  at.step({E::kLost});
  EXPECT_TRUE(at.donor.heir_lost());
}

// An heir that has had Prepare asks the ownership word when the channel closes. To one that has
// not, a closed channel is the donor's death.
TEST(DonorTest, ClosesTheChannelOfAnHeirThatCantBeToldOnlyAfterPrepare) {
  for (const S state : kFrozenStates) {
    At at = in(state);
    at.step({E::kRefused, E::kWon});
    EXPECT_EQ(state == S::kFrozen ? "AbortFencing Fence" : kServeOn, apply(at, E::kAbortUnsendable))
        << name(state);
  }
}

TEST(DonorTest, ServesExactlyWhileTheSocketsAreItsOwn) {
  for (int s = 0; s < kDonorStates; ++s) {
    const auto state = static_cast<S>(s);
    const bool expected = state == S::kGreeting || state == S::kCopying ||
                          state == S::kAwaitingCopied || state == S::kAborting ||
                          state == S::kAbortFencing || state == S::kServing;
    EXPECT_EQ(expected, in(state).donor.serving()) << name(state);
  }
}

TEST(DonorTest, SaysWhatItWaitedForInVain) {
  for (const S state : {S::kGreeting, S::kCopying, S::kAwaitingCopied, S::kFrozen, S::kPreparing,
                        S::kReleasing, S::kReleased}) {
    At at = in(state);
    at.donor.step(event(E::kTimer), at.donor.deadline().value());
    EXPECT_EQ(Code::kTimeout, at.donor.reason().code);
    EXPECT_NE("the heir was silent", at.donor.reason().text) << name(state);
  }
}

}  // namespace
}  // namespace handoff::core
