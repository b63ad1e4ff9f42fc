// What a plan says of sessions that can't be moved.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan_facts.h"
#include "supervisor/core/plan.h"

namespace handoff::supervisor {
namespace {

using ::testing::HasSubstr;

// Of a thousand the old release can't save one, the new one does not take another, and a third is
// too large for the freeze.
PlanFacts three_unmovable(handoff::core::Unmovable unmovable) {
  PlanFacts facts = good();
  facts.donor->unmovable = unmovable;
  facts.donor->passed = 999;
  facts.donor->refused = 1;
  facts.donor->too_large = 1;
  facts.donor->findings = {{1, "session kind 'session'", "not to be saved", "tcp:127.0.0.1:1"},
                           {2, "session kind 'session'", "its 9 bytes", "tcp:127.0.0.1:2"}};
  facts.heir->sessions = 999;
  facts.heir->passed = 998;
  facts.heir->refused = 1;
  facts.heir->findings = {{3, "session kind 'session'", "not taken", "tcp:127.0.0.1:3"}};
  return facts;
}

TEST(PlanUnmovableTest, WhatCantBeMovedStays) {
  const Plan out = plan(three_unmovable(handoff::core::Unmovable::kLate));
  EXPECT_TRUE(out.problems.empty());
  EXPECT_EQ(out.move, 997U);
  EXPECT_EQ(out.stay, 3U);
  EXPECT_EQ(out.close, 0U);
  ASSERT_EQ(out.examples.size(), 3U);
  EXPECT_FALSE(out.examples[0].by_new || out.examples[1].by_new);
  EXPECT_TRUE(out.examples[2].by_new);
  EXPECT_EQ(out.examples[2].peer, "tcp:127.0.0.1:3");
  EXPECT_THAT(out.sentence, HasSubstr("disconnect nobody: 997 sessions would move, 3 that can't be "
                                      "moved would stay with the old release"));
}

TEST(PlanUnmovableTest, WhatCantBeMovedIsClosed) {
  const Plan out = plan(three_unmovable(handoff::core::Unmovable::kClose));
  EXPECT_TRUE(out.problems.empty());
  EXPECT_EQ(out.close, 3U);
  EXPECT_EQ(out.stay, 0U);
  EXPECT_THAT(out.sentence, HasSubstr("would disconnect 3 sessions that can't be moved: 997 "
                                      "sessions would move"));
}

TEST(PlanUnmovableTest, WhatCantBeMovedIsAProblemAndWhyItCantStayIsSaid) {
  PlanFacts facts = three_unmovable(handoff::core::Unmovable::kRefuse);
  facts.donor->not_late = "a service with several lanes keeps none";
  Plan out = plan(facts);
  ASSERT_EQ(out.problems.size(), 1U);
  EXPECT_EQ(out.problems[0].code, "rejected");
  EXPECT_THAT(out.problems[0].text, HasSubstr("2 sessions of 1000 would be refused: not to be "
                                              "saved; it can't stay, since a service with "
                                              "several lanes keeps none"));
  facts.donor->refused = facts.heir->refused = 0;
  out = plan(facts);
  ASSERT_EQ(out.problems.size(), 1U);
  EXPECT_EQ(out.problems[0].code, "timeout");
}

// One of a thousand stays by its service's word.
TEST(PlanStayingTest, WhatStaysIsDisconnectedWhenTheDrainIsOver) {
  PlanFacts facts = good();
  facts.donor->busy = 3;
  facts.donor->staying = {{"tls", 1}};
  const Plan out = plan(facts);
  EXPECT_TRUE(out.problems.empty());
  EXPECT_EQ(out.wait, 2U);
  ASSERT_EQ(out.staying.size(), 1U);
  EXPECT_EQ(out.staying[0].why, "tls");
  EXPECT_THAT(out.sentence,
              HasSubstr("would disconnect 1: tls, when the drain is over: 1000 sessions would "
                        "move, 2 would stay with the old release until idle"));
  facts.donor->unmovable = handoff::core::Unmovable::kClose;
  facts.donor->refused = 1;
  EXPECT_THAT(plan(facts).sentence, HasSubstr("would disconnect 1: tls, when the drain is over; "
                                              "and 1 session that can't be moved: "));
}

// Of a kind without snapshots nothing can be restored before the freeze.
TEST(PlanUntriedTest, WhatCouldNotBeTriedIsSaidToMoveAllTheSame) {
  PlanFacts facts = good();
  facts.donor->untried = 8;
  const Plan out = plan(facts);
  EXPECT_TRUE(out.problems.empty());
  EXPECT_EQ(out.move, 1008U);
  EXPECT_EQ(out.untried, 8U);
  EXPECT_THAT(out.sentence,
              HasSubstr("disconnect nobody: 1008 sessions would move (8 could not be tried)"));
}

TEST(PlanStayingTest, OrItIsKeptUntilItEnds) {
  PlanFacts facts = good();
  facts.donor->busy = 3;
  facts.donor->staying = {{"tls", 2}, {"an upload", 1}};
  facts.keeps_late = true;
  const Plan out = plan(facts);
  EXPECT_EQ(out.wait, 0U);
  EXPECT_THAT(out.sentence, HasSubstr("disconnect nobody: 1000 sessions would move, 3 would stay "
                                      "with the old release until they end (2 tls, 1 an upload)"));
}

TEST(PlanStayingTest, AServiceWithNoOthersIsNotAServiceWithout) {
  PlanFacts facts = good();
  facts.heir->sessions = facts.heir->passed = 0;
  facts.donor->busy = 1;
  facts.donor->staying = {{"tls", 1}};
  EXPECT_THAT(plan(facts).sentence, HasSubstr("would disconnect 1: tls"));
}

TEST(PlanUnmovableTest, AReleaseThatRefusesMoreThanHalfIsAProblem) {
  PlanFacts facts = three_unmovable(handoff::core::Unmovable::kLate);
  facts.heir->refused = 500;
  facts.heir->passed = 499;
  const Plan out = plan(facts);
  EXPECT_EQ(out.stay, 0U);
  ASSERT_EQ(out.problems.size(), 1U);
  EXPECT_EQ(out.problems[0].code, "rejected");
}

}  // namespace
}  // namespace handoff::supervisor
