// Late processes as the supervisor keeps them, told as timelines.
#include "supervisor/core/late.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "exits.h"
#include "show.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;

DonorLate late(Generation who, std::uint64_t waiting) {
  return {.generation = who, .handoff_id = who + 1, .waiting = waiting, .linked = true};
}
DonorRetired retired(Generation who) { return {.generation = who, .handoff_id = who + 1}; }

std::string words(const Effects& effects) {
  std::string out;
  for (const Effect& effect : effects) {
    if (const auto* note = std::get_if<Note>(&effect)) out += note->text;
  }
  return out;
}

TEST(LateProcessesTest, IsToldItsDrainOnceAndForgottenWhenItHasGone) {
  const LateProcesses::Policy policy{.drain = 30s};
  LateProcesses all;
  const Effects first = all.on(late(1, 3), policy, at(0ms));
  ASSERT_EQ(show(first), "drain 1");
  EXPECT_EQ(std::get<SendDrain>(first[0]).deadline, at(30s));
  EXPECT_EQ(show(all.on(late(1, 2), policy, at(10ms))), "");
  EXPECT_EQ(all.all().at(1).waiting, 2u);
  EXPECT_EQ(show(all.on(retired(1), policy, at(20ms))), "");
  EXPECT_EQ(words(all.on(Exited{1, kStatus0})), "");
  EXPECT_TRUE(all.all().empty());
  EXPECT_FALSE(all.deadline());
}

// Sessions that were closed at the end of the drain, also where nobody was there to be told.
TEST(LateProcessesTest, WhatWasClosedIsToldWhicheverMessageSaysIt) {
  for (const auto& [by_late, by_retired, told] :
       {std::tuple{0U, 2U, "generation 1 has no session left: 1 moved, 2 closed"},
        std::tuple{2U, 0U, "generation 1 has no session left: 1 moved, 2 closed"},
        std::tuple{1U, 2U, "generation 1 has no session left: 1 moved, 2 closed"},
        std::tuple{0U, 0U, "generation 1 has no session left: 1 moved"}}) {
    LateProcesses all;
    DonorLate some = late(1, 3);
    some.moved = 1;
    some.closed = by_late;
    all.on(some, {}, at(0ms));
    DonorRetired last = retired(1);
    last.closed = by_retired;
    EXPECT_EQ(words(all.on(last, {}, at(1ms))), told);
    EXPECT_EQ(all.all().at(1).closed, std::max(by_late, by_retired));
  }
}

// The owner does not take them: to move them at the end of the drain would be to close them.
TEST(LateProcessesTest, OneWithSessionsThatNobodyClaimsIsWaitedForUntilTheyEnd) {
  for (const auto policy : {LateSessions::kMove, LateSessions::kClose, LateSessions::kKeep}) {
    LateProcesses all;
    DonorLate bulk = late(1, 3);
    bulk.left_out = {{core::Sort::kSection, "rooms"}, {core::Sort::kSessions, "bulk", 2}};
    const Effects first = all.on(bulk, {.policy = policy, .drain = 30s}, at(0ms));
    const bool close = policy == LateSessions::kClose;
    EXPECT_EQ(std::get<SendDrain>(first.at(0)).policy,
              close ? LateSessions::kClose : LateSessions::kKeep);
    EXPECT_EQ(all.deadline().has_value(), close);
  }
  LateProcesses all;
  DonorLate none = late(1, 3);
  none.left_out = {{core::Sort::kSessions, "bulk", 0}};
  EXPECT_EQ(std::get<SendDrain>(all.on(none, {}, at(0ms)).at(0)).policy, LateSessions::kMove);
}

TEST(LateProcessesTest, OneThatDoesNotEndItsDrainIsEnded) {
  const LateProcesses::Policy policy{.drain = 30s};
  LateProcesses all;
  all.on(late(1, 3), policy, at(0ms));
  const auto next = all.deadline();
  ASSERT_TRUE(next);
  EXPECT_EQ(*next, at(30s) + LateProcesses::kMargin);
  EXPECT_EQ(show(all.tick(*next - 1ms)), "");
  EXPECT_EQ(show(all.tick(*next)), "term 1");
  EXPECT_EQ(show(all.tick(*next + LateProcesses::kTermToKill)), "kill 1");
  EXPECT_FALSE(all.deadline());
  EXPECT_NE(words(all.on(Exited{1, Exit{true, 9, false}})).find("3 sessions that had not moved"),
            std::string::npos);
}

TEST(LateProcessesTest, ADonorThatHasNothingLeftAndStaysIsEnded) {
  const LateProcesses::Policy policy{};
  LateProcesses all;
  all.leave(1, at(30s));
  EXPECT_EQ(words(all.on(retired(1), policy, at(1ms))), "") << "that is known";
  EXPECT_EQ(show(all.tick(at(30s) - 1ms)), "");
  EXPECT_EQ(show(all.tick(at(30s))), "term 1");
  EXPECT_EQ(show(all.tick(at(30s) + LateProcesses::kTermToKill)), "kill 1");
  EXPECT_EQ(words(all.on(Exited{1, Exit{true, 9, false}})), "");
  EXPECT_TRUE(all.all().empty());
}

TEST(LateProcessesTest, ThoseOnTheirWayOutAreNotInTheWayOfAnUpgradeUnlessTheyPileUp) {
  const LateProcesses::Policy policy{.max_generations = 2};
  LateProcesses all;
  all.leave(1, at(30s));
  EXPECT_FALSE(all.refusal(policy, "chat"));
  all.leave(2, at(30s));
  const auto refusal = all.refusal(policy, "chat");
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->message,
            "chat has 3 processes already, and max_generations is 2: generation 1 has not exited "
            "yet, generation 2 has not exited yet; wait for them to go");
}

TEST(LateProcessesTest, OneThatMayKeepItsSessionsHasNoDeadlineUntilItHasNone) {
  const LateProcesses::Policy policy{.policy = LateSessions::kKeep, .drain = 30s};
  LateProcesses all;
  all.on(late(1, 3), policy, at(0ms));
  EXPECT_FALSE(all.deadline());
  all.on(retired(1), policy, at(60s));
  EXPECT_EQ(*all.deadline(), at(90s));
}

TEST(LateProcessesTest, TheLimitCountsTheOwnerAndTheHeirToBe) {
  const LateProcesses::Policy policy{.max_generations = 4};
  LateProcesses all;
  EXPECT_FALSE(all.refusal(policy, "chat"));
  all.on(late(1, 3), policy, at(0ms));
  all.on(late(2, 1), policy, at(0ms));
  EXPECT_FALSE(all.refusal(policy, "chat"));
  all.on(late(3, 7), policy, at(0ms));
  const auto refused = all.refusal(policy, "chat");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, "generations");
  EXPECT_EQ(refused->message,
            "chat has 4 processes already, and max_generations is 4: generation 1 is busy with 3 "
            "sessions, generation 2 is busy with 1 session, generation 3 is busy with 7 sessions; "
            "wait for them to be released");
}

TEST(LateProcessesTest, OneWithoutALinkGetsOneToTheOwner) {
  const LateProcesses::Policy policy{};
  LateProcesses all;
  all.on(late(1, 3), policy, at(0ms));
  EXPECT_EQ(show(all.relink(2, at(1ms))), "");
  DonorLate alone = late(1, 3);
  alone.linked = false;
  all.on(alone, policy, at(2ms));
  EXPECT_EQ(show(all.relink(3, at(2ms))), "relink 1>3");
  EXPECT_EQ(show(all.relink(3, at(3ms))), "") << "it has not said anything since";
  EXPECT_EQ(show(all.relink(4, at(4ms))), "relink 1>4") << "3 had died, which nobody knew";
  all.on(late(1, 3), policy, at(4ms));
  EXPECT_EQ(show(all.relink(3, at(10s))), "");
}

TEST(LateProcessesTest, AStopReachesThemAll) {
  const LateProcesses::Policy policy{};
  LateProcesses all;
  all.on(late(1, 3), policy, at(0ms));
  all.on(late(2, 1), policy, at(0ms));
  EXPECT_EQ(show(all.stop(at(5s))), "stop 1, stop 2");
}

}  // namespace
}  // namespace handoff::supervisor
