// The release that runs and the one to go back to, and when a release has proved itself.
#include "supervisor/core/probation.h"

#include <gtest/gtest.h>

#include "show.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;
using Origin = Probation::Origin;
using Back = Probation::Back;
using Verdict = Probation::Verdict;

constexpr Probation::Policy kUnchecked{};
constexpr Probation::Policy kAsked{.checked = true, .polled = true, .failures = 3};
constexpr Probation::Policy kOwnWord{.checked = true, .polled = false};

Back by_operator(Probation& probation, const Probation::Policy& policy, Origin origin,
                 std::chrono::milliseconds when = 0ms) {
  return probation.took_over(policy, origin, false, at(when), 30s);
}

void answers(Probation& probation, std::chrono::milliseconds when = 0ms) {
  probation.asked(at(when));
  probation.answered();
}

TEST(ProbationTest, TheFirstReleaseIsPermanentAndHasNothingBehindIt) {
  Probation probation;
  EXPECT_FALSE(probation.provisional());
  EXPECT_FALSE(probation.has_back());
  EXPECT_EQ(probation.verdict(kUnchecked, at(1h)), Verdict::kOpen);
}

TEST(ProbationTest, ANewReleaseIsProvisionalUntilItsTimeIsOver) {
  Probation probation;
  EXPECT_EQ(by_operator(probation, kUnchecked, Origin::kNew), Back::kIsTheOneBefore);
  EXPECT_TRUE(probation.provisional());
  answers(probation);
  EXPECT_EQ(probation.until(kUnchecked), at(30s));
  EXPECT_EQ(probation.verdict(kUnchecked, at(30s - 1ms)), Verdict::kOpen);
  EXPECT_EQ(probation.verdict(kUnchecked, at(30s)), Verdict::kPassed);
  probation.commit();
  EXPECT_FALSE(probation.provisional());
  EXPECT_TRUE(probation.has_back()) << "one can go back at any time, also after it";
}

TEST(ProbationTest, WithoutAProbationItIsPermanentAtOnce) {
  Probation probation;
  EXPECT_EQ(probation.took_over(kAsked, Origin::kNew, false, at(0ms), 0s), Back::kIsTheOneBefore);
  EXPECT_FALSE(probation.provisional());
}

TEST(ProbationTest, AnUpgradeDuringProbationKeepsThePermanentReleaseToGoBackTo) {
  Probation probation;
  by_operator(probation, kUnchecked, Origin::kNew);
  EXPECT_EQ(by_operator(probation, kUnchecked, Origin::kNew, 10s), Back::kStays);
  answers(probation, 10s);
  EXPECT_EQ(probation.until(kUnchecked), at(40s)) << "a probation of its own";
  EXPECT_EQ(by_operator(probation, kUnchecked, Origin::kBack, 20s), Back::kIsTheOneBefore);
  EXPECT_FALSE(probation.provisional()) << "it was permanent once";
}

// Whatever it was before: past the release that runs one goes back where that stays what it is.
TEST(ProbationTest, OneGoesBackPastWhatRunsJustWhereTheReleaseBehindItStays) {
  for (unsigned bits = 0; bits < 8; ++bits) {
    Probation probation;
    probation.restore({.provisional = (bits & 1U) != 0,
                       .has_back = (bits & 2U) != 0,
                       .back_proven = (bits & 4U) != 0});
    const bool past = probation.goes_back_past();
    EXPECT_EQ(past, probation.provisional() && probation.has_back());
    EXPECT_EQ(by_operator(probation, kUnchecked, Origin::kNew),
              past ? Back::kStays : Back::kIsTheOneBefore);
  }
}

TEST(ProbationTest, ARestartChangesNothing) {
  Probation probation;
  by_operator(probation, kUnchecked, Origin::kNew);
  EXPECT_EQ(by_operator(probation, kUnchecked, Origin::kSame, 10s), Back::kStays);
  answers(probation, 10s);
  EXPECT_EQ(probation.until(kUnchecked), at(30s));
}

TEST(ProbationTest, ARollbackOfARollbackGoesForwardAgain) {
  Probation probation;
  by_operator(probation, kUnchecked, Origin::kNew);
  by_operator(probation, kUnchecked, Origin::kBack,
              1s);  // still on probation, so it has never proved itself
  EXPECT_TRUE(probation.has_back());
  EXPECT_EQ(by_operator(probation, kUnchecked, Origin::kBack, 2s), Back::kIsTheOneBefore);
  EXPECT_TRUE(probation.provisional());
  answers(probation, 3s);
  EXPECT_EQ(probation.until(kUnchecked), at(32s));
}

TEST(ProbationTest, ARollbackBetweenTwoProvenReleasesNeedsNoProbation) {
  Probation probation;
  by_operator(probation, kUnchecked, Origin::kNew);
  probation.commit();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(by_operator(probation, kUnchecked, Origin::kBack), Back::kIsTheOneBefore);
    EXPECT_FALSE(probation.provisional());
    EXPECT_TRUE(probation.has_back());
  }
}

TEST(ProbationTest, OneThatDidNotPassIsNoPlaceToGoBackTo) {
  Probation probation;
  by_operator(probation, kUnchecked, Origin::kNew);
  EXPECT_EQ(probation.took_over(kUnchecked, Origin::kBack, true, at(1s), 30s), Back::kIsEmpty);
  EXPECT_FALSE(probation.has_back());
  by_operator(probation, kUnchecked, Origin::kNew);
  probation.went_back();
  EXPECT_FALSE(probation.has_back());
  EXPECT_FALSE(probation.provisional());
}

TEST(ProbationTest, AChecksBadLuckIsForgivenAFewTimesInARow) {
  Probation probation;
  by_operator(probation, kAsked, Origin::kNew);
  for (const bool well : {false, false, true, false, false}) {
    probation.heard(well, "refused");
    EXPECT_EQ(probation.verdict(kAsked, at(1s)), Verdict::kOpen);
  }
  probation.heard(false, "timed out");
  EXPECT_EQ(probation.verdict(kAsked, at(1s)), Verdict::kFailed);
  EXPECT_EQ(probation.why(), "timed out");
}

TEST(ProbationTest, WhoIsNotWellWhenItsTimeIsOverDoesNotPass) {
  Probation probation;
  by_operator(probation, kAsked, Origin::kNew);
  probation.heard(true, "");
  probation.heard(false, "refused");
  answers(probation);
  EXPECT_EQ(probation.verdict(kAsked, at(30s)), Verdict::kFailed);
  EXPECT_EQ(probation.why(), "refused");
}

TEST(ProbationTest, ACheckThatHasNotAnsweredYetIsWaitedFor) {
  Probation probation;
  by_operator(probation, kAsked, Origin::kNew);
  answers(probation);
  EXPECT_EQ(probation.until(kAsked), std::nullopt);
  EXPECT_EQ(probation.verdict(kAsked, at(31s)), Verdict::kOpen);
  probation.heard(true, "");
  EXPECT_EQ(probation.until(kAsked), at(30s));
  EXPECT_EQ(probation.verdict(kAsked, at(31s)), Verdict::kPassed);
}

TEST(ProbationTest, AServiceThatHasToSayThatItIsWellDoesNotPassInSilence) {
  Probation probation;
  by_operator(probation, kOwnWord, Origin::kNew);
  answers(probation);
  EXPECT_EQ(probation.until(kOwnWord), at(30s));
  EXPECT_EQ(probation.verdict(kOwnWord, at(30s)), Verdict::kFailed);
  EXPECT_EQ(probation.why(), "the service has not said that it is well");
  probation.heard(true, "");
  EXPECT_EQ(probation.verdict(kOwnWord, at(30s)), Verdict::kPassed);
}

TEST(ProbationTest, AServiceThatSaysThatItIsNotWellIsBelievedAtOnce) {
  for (const auto& policy : {kUnchecked, kOwnWord}) {
    Probation probation;
    by_operator(probation, policy, Origin::kNew);
    probation.heard(false, "no database");
    EXPECT_EQ(probation.verdict(policy, at(1s)), Verdict::kFailed);
  }
}

// ---- whatever the check is

TEST(ProbationTest, OneThatDoesNotAnswerIsNotWell) {
  for (const auto& policy : {kUnchecked, kAsked, kOwnWord}) {
    Probation probation;
    by_operator(probation, policy, Origin::kNew);
    probation.heard(true, "");
    probation.asked(at(1s));
    probation.asked(at(2s));
    EXPECT_EQ(probation.until(policy), at(11s)) << "from the first question on";
    EXPECT_EQ(probation.verdict(policy, at(11s - 1ms)), Verdict::kOpen);
    EXPECT_EQ(probation.verdict(policy, at(11s)), Verdict::kFailed);
    EXPECT_EQ(probation.why(), "it has not answered for 10.0 s");
  }
}

TEST(ProbationTest, ItsTimeIsNotOverBeforeItHasAnsweredTheLastQuestion) {
  Probation probation;
  by_operator(probation, kUnchecked, Origin::kNew);
  EXPECT_EQ(probation.verdict(kUnchecked, at(30s)), Verdict::kOpen) << "nobody has asked";
  answers(probation, 28s);
  probation.asked(at(29s));
  EXPECT_EQ(probation.verdict(kUnchecked, at(31s)), Verdict::kOpen);
  probation.answered();
  EXPECT_EQ(probation.verdict(kUnchecked, at(31s)), Verdict::kPassed);
}

TEST(ProbationTest, OneThatHasNeverSaidThatItOwnsDoesNotPass) {
  Probation probation;
  by_operator(probation, kUnchecked, Origin::kNew);
  probation.said_owner(false);
  answers(probation);
  EXPECT_EQ(probation.verdict(kUnchecked, at(29s)), Verdict::kOpen);
  EXPECT_EQ(probation.verdict(kUnchecked, at(30s)), Verdict::kFailed);
  EXPECT_EQ(probation.why(), "it has never said that it owns the sessions");
  probation.said_owner(true);
  EXPECT_EQ(probation.verdict(kUnchecked, at(30s)), Verdict::kPassed);
}

TEST(ProbationTest, AQuestionToTheProcessBeforeARestartIsForgotten) {
  Probation probation;
  by_operator(probation, kUnchecked, Origin::kNew);
  probation.asked(at(1s));
  by_operator(probation, kUnchecked, Origin::kSame, 10s);
  EXPECT_EQ(probation.verdict(kUnchecked, at(12s)), Verdict::kOpen);
}

TEST(ProbationTest, TheServicesOwnErrorsAreCountedUpToALimit) {
  const Probation::Policy policy{
      .checked = false, .polled = false, .failures = 3, .max_errors = 10};
  Probation probation;
  by_operator(probation, policy, Origin::kNew);
  probation.counted(policy, 10);
  EXPECT_EQ(probation.verdict(policy, at(1s)), Verdict::kOpen);
  probation.counted(policy, 11);
  EXPECT_EQ(probation.verdict(policy, at(1s), false), Verdict::kFailed);
  EXPECT_EQ(probation.why(), "the service has counted 11 errors, and max_errors is 10");
  by_operator(probation, policy, Origin::kNew);
  EXPECT_EQ(probation.verdict(policy, at(1s)), Verdict::kOpen) << "another release, another count";
}

TEST(ProbationTest, WhatTheNextSupervisorIsToldIsWhereItGoesOn) {
  Probation before;
  by_operator(before, kUnchecked, Origin::kNew);
  Probation after;
  after.restore(before.saved());
  EXPECT_TRUE(after.provisional());
  EXPECT_EQ(after.verdict(kUnchecked, at(31s)), Verdict::kOpen) << "it has not answered this one";
  answers(after);
  EXPECT_EQ(after.until(kUnchecked), at(30s));
  EXPECT_EQ(by_operator(after, kUnchecked, Origin::kBack), Back::kIsTheOneBefore);
}

TEST(ProbationTest, WithNothingToGoBackToItIsAsGoodAsPermanent) {
  Probation probation;
  by_operator(probation, kUnchecked, Origin::kNew);
  probation.lose_back();
  EXPECT_FALSE(probation.provisional());
  EXPECT_FALSE(probation.has_back());
}

}  // namespace
}  // namespace handoff::supervisor
