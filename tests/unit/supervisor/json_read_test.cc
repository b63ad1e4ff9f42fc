// Members of JSON that another program wrote: what is not as expected is nothing, never undefined.
#include "supervisor/base/json_read.h"

#include <gtest/gtest.h>

#include "supervisor/cli/report.h"
#include "supervisor/core/time.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

TEST(JsonReadTest, AWholeNumberIsOneThatFits) {
  EXPECT_EQ(whole_number<int>(7), 7);
  EXPECT_EQ(whole_number<int>(-7), -7);
  EXPECT_EQ(whole_number<std::uint64_t>(UINT64_MAX), UINT64_MAX);
  EXPECT_EQ(whole_number<std::uint64_t>(-1), std::nullopt);
  EXPECT_EQ(whole_number<std::int64_t>(UINT64_MAX), std::nullopt);
  EXPECT_EQ(whole_number<int>(INT64_C(1) << 31), std::nullopt);
  for (const json& none : {json(), json("7"), json(7.0), json(1e64), json(true), json({7})}) {
    EXPECT_EQ(whole_number<std::uint64_t>(none), std::nullopt) << none;
  }
}

TEST(JsonReadTest, WhatIsNotThereIsNothing) {
  const json object{{"n", 1e64}, {"t", 5}, {"ok", 3}, {"word", "x"}};
  EXPECT_EQ(number_in(object, "ok"), 3U);
  EXPECT_EQ(number_in(object, "n"), 0U);
  EXPECT_EQ(number_in(object, "none"), 0U);
  EXPECT_EQ(number_in(json::array(), "ok"), 0U);
  EXPECT_EQ(text_in(object, "word", "-"), "x");
  EXPECT_EQ(text_in(object, "t", "-"), "-");
  EXPECT_EQ(text_in(json(), "word", "-"), "-");
}

TEST(JsonReadTest, ATimeFitsADurationWhateverTheNumberIs) {
  const auto in = [](std::uint64_t number) { return json{{"t", number}}; };
  EXPECT_EQ(microseconds_in(in(12), "t"), 12us);
  EXPECT_EQ(milliseconds_in(in(12), "t"), 12ms);
  EXPECT_EQ(microseconds_in(in(UINT64_MAX), "t"), std::chrono::years(100));
  EXPECT_EQ(milliseconds_in(in(UINT64_MAX), "t"), std::chrono::years(100));
  EXPECT_GT(Duration(microseconds_in(in(UINT64_MAX), "t")), 0s);
}

TEST(JsonReadTest, AnAnswerWithOtherNumbersIsToldAllTheSame) {
  const json event{{"event", "phase"},
                   {"phase", "copy"},
                   {"sessions", {{"sent", 1e64}, {"total", -1}}},
                   {"bytes", 1e64}};
  EXPECT_EQ(phase_line(event), "copy    while the old one serves");
}

}  // namespace
}  // namespace handoff::supervisor
