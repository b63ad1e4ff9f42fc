// Tests of testing.hpp, with which authors check their state versions: it must pass steps that
// agree, and above all fail, with a name, where they do not.
#include "handoff/testing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <stdexcept>

namespace handoff::testing {
namespace {

using ::testing::HasSubstr;

// Version 1 is "A", 2 is "A,B", 3 is "A,B;".
std::string up_1_2(std::string_view state) { return std::string(state) + ",0"; }
std::string down_2_1(std::string_view state) {
  const auto comma = state.find(',');
  if (comma == std::string_view::npos) throw std::runtime_error("no comma");
  return std::string(state.substr(0, comma));
}
std::string up_2_3(std::string_view state) { return std::string(state) + ";"; }
std::string down_3_2(std::string_view state) {
  return std::string(state.substr(0, state.size() - 1));
}

Steps good() {
  return Steps().add(1, 2, up_1_2).add(2, 1, down_2_1).add(2, 3, up_2_3).add(3, 2, down_3_2);
}
const std::vector<Sample> kSamples{{1, "7"}, {1, ""}, {2, "7,3"}, {3, "7,3;"}};

std::string only_problem(const Checked& checked) {
  EXPECT_EQ(checked.problems().size(), 1U) << checked;
  EXPECT_FALSE(checked);
  return checked.problems().empty() ? "" : checked.problems()[0];
}

TEST(RoundTripTest, StepsThatAgreePass) {
  const Checked checked = check_round_trips(good(), kSamples);
  EXPECT_TRUE(checked) << checked;
}

TEST(RoundTripTest, AWayBackThatDropsSomethingIsNamedWithWhatItDropped) {
  Steps steps = good();
  steps.add(2, 1, [](std::string_view state) { return down_2_1(state).substr(0, 1); });
  const std::string problem =
      only_problem(check_round_trips(steps, {{1, "7"}, {1, "789"}, {3, "7,3;"}}));
  EXPECT_EQ(problem,
            "sample 2 of version 1: 1 -> 2 -> 1 gives another state, of 1 bytes instead of 3; they "
            "differ from byte 1 on\n  was \"789\"\n  is  \"7\"");
}

TEST(RoundTripTest, ALongerChainIsCheckedAsAWhole) {
  // Each pair of steps agrees on the samples of its own versions, and the chain does not.
  Steps steps = good();
  steps.add(3, 2, [](std::string_view state) { return state == "7,0;" ? "8,0" : down_3_2(state); });
  EXPECT_THAT(only_problem(check_round_trips(steps, {{1, "7"}, {2, "7,3"}})),
              HasSubstr("sample 1 of version 1: 1 -> 2 -> 3 -> 2 -> 1 gives another state"));
}

TEST(RoundTripTest, WhatAnOldReleaseDoesNotKnowMayGetLostOnceAndNotTwice) {
  EXPECT_TRUE(check_round_trips(good(), {{3, "7,99;"}}));
  Steps steps = good();
  steps.add(1, 2, [](std::string_view state) { return std::string(state) + "x,0"; });
  EXPECT_THAT(only_problem(check_round_trips(steps, {{3, "7,99;"}})),
              HasSubstr("sample 1 of version 3, gone down to version 1: 1 -> 2 -> 3 -> 2 -> 1"));
}

TEST(RoundTripTest, AStepThatThrowsIsNamedWithItsReasonAndItsState) {
  EXPECT_EQ(only_problem(check_round_trips(Steps().add(1, 2, up_1_2).add(2, 1, down_2_1),
                                           {{1, "1"}, {2, "7"}})),
            "sample 1 of version 2: the step 2 -> 1 of 2 -> 1 throws: no comma\n  \"7\"");
  EXPECT_THAT(
      only_problem(check_round_trips(
          Steps().add(1, 2, up_1_2).add(2, 1, [](std::string_view) -> std::string { throw 5; }),
          {{1, "1"}})),
      HasSubstr("no std::exception"));
}

TEST(RoundTripTest, AStepWithoutAWayBackIsNamed) {
  EXPECT_EQ(only_problem(check_round_trips(Steps().add(1, 2, up_1_2), {{1, "7"}})),
            "the step 1 -> 2 has no way back: 2 -> 1 is missing");
}

TEST(RoundTripTest, AStepThatNoSampleHasPassedIsNamed) {
  const Checked checked = check_round_trips(
      Steps().add(1, 2, up_1_2).add(2, 1, down_2_1).add(5, 6, up_1_2).add(6, 5, down_2_1),
      {{1, "7"}});
  ASSERT_EQ(checked.problems().size(), 2U) << checked;
  EXPECT_THAT(checked.problems()[0], HasSubstr("no sample has passed the step 5 -> 6"));
}

TEST(RoundTripTest, NothingToCheckIsNoSuccess) {
  EXPECT_FALSE(check_round_trips(good(), {}));
  EXPECT_FALSE(check_round_trips(Steps(), {{1, "7"}}));
}

TEST(RoundTripTest, TheServiceSaysWhatIsTheSameAndHowItLooks) {
  Steps steps;
  steps.add(1, 2, up_1_2).add(2, 1, [](std::string_view state) {
    std::string out = down_2_1(state);
    std::reverse(out.begin(), out.end());
    return out;
  });
  EXPECT_FALSE(check_round_trips(steps, {{1, "12"}}));
  Look look;
  look.same = [](std::uint32_t, std::string_view a, std::string_view b) {
    return a.size() == b.size();
  };
  EXPECT_TRUE(check_round_trips(steps, {{1, "12"}}, look));
  look.same = [](std::uint32_t, std::string_view, std::string_view) { return false; };
  look.show = [](std::uint32_t version, std::string_view state) {
    return "<" + std::to_string(version) + ":" + std::string(state) + ">";
  };
  EXPECT_EQ(only_problem(check_round_trips(steps, {{1, "12"}}, look)),
            "sample 1 of version 1: 1 -> 2 -> 1 gives another state\n  was <1:12>\n  is  <1:21>");
}

TEST(RoundTripTest, ALongStateIsShownAroundTheDifferenceAndSafely) {
  const std::string head(1000, 'a');
  Steps steps;
  steps.add(1, 2, [](std::string_view s) { return std::string(s); });
  steps.add(2, 1, [](std::string_view s) {
    std::string out(s);
    out[1000] = '\x01';
    return out;
  });
  const std::string problem = only_problem(check_round_trips(steps, {{1, head + "b\n\"" + head}}));
  EXPECT_THAT(problem, HasSubstr("differ from byte 1000 on"));
  EXPECT_THAT(problem, HasSubstr("aaab\\x0a\\\"aaa"));
  EXPECT_THAT(problem, HasSubstr("aaa\\x01\\x0a\\\"aaa"));
  EXPECT_LT(problem.size(), 500U);
  std::ostringstream out;
  out << check_round_trips(steps, {{1, head + "b\n\"" + head}});
  EXPECT_THAT(out.str(), HasSubstr(problem));
}

}  // namespace
}  // namespace handoff::testing
