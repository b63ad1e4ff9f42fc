// Before a program takes over from a supervisor it must say that it is one itself.
#include "supervisor/self/trial.h"

#include <gtest/gtest.h>

#include "supervisor/host/saved_state.h"

namespace handoff::supervisor {
namespace {

using nlohmann::json;

TEST(TrialTest, ThisProgramMayFollowItself) {
  EXPECT_EQ(trial_problem(trial_json(3).dump() + "\n"), "");
}

TEST(TrialTest, ANewerOneSaysMore) {
  json newer = trial_json(1);
  newer["version"] = "9.0";
  newer["state_formats"]["to"] = SavedState::kFormat + 5;
  newer["more"] = {1, 2};
  EXPECT_EQ(trial_problem(newer.dump()), "");
}

TEST(TrialTest, OnlyOneThatSaysSoTakesTheStateItself) {
  EXPECT_TRUE(takes_state(trial_json(1).dump()));
  json older = trial_json(1);
  older.erase("takes_state");
  EXPECT_EQ(trial_problem(older.dump()), "");
  EXPECT_FALSE(takes_state(older.dump()));
  for (const char* words : {"", "[]", "null", R"({"takes_state":1})"}) {
    EXPECT_FALSE(takes_state(words)) << words;
  }
}

TEST(TrialTest, AnotherProgramIsRefused) {
  for (const char* words :
       {"", "\n", "run --check --json --config x\n", "ok: 1 services, version 0.1.0\n", "{}", "[]",
        "null", R"({"program":"handoff"})", R"({"program":"haproxy","version":"3"})",
        R"({"program":["handoff"],"version":"1","result":"done"})",
        R"({"program":"handoff","version":1,"result":"done"})",
        R"({"program":"handoff","version":"1","result":"failed"})"}) {
    EXPECT_EQ(trial_problem(words), "does not say that it is a handoff (asked with `run --check`)")
        << words;
  }
}

TEST(TrialTest, OneThatDoesNotReadTheStateIsRefused) {
  const auto problem = [](const json& formats) {
    json said = trial_json(1);
    said["version"] = "0.0.1";
    said["state_formats"] = formats;
    return trial_problem(said.dump());
  };
  for (const json& formats :
       {json(), json(3), json::array({1, 2}), json({{"from", 1}}), json({{"to", 1}}),
        json({{"from", "1"}, {"to", "2"}}), json({{"from", 0.5}, {"to", 1.5}})}) {
    EXPECT_EQ(problem(formats),
              "does not say which state files it reads (asked with `run --check`)")
        << formats;
  }
  const int here = SavedState::kFormat;
  EXPECT_EQ(problem({{"from", here + 1}, {"to", here + 2}}),
            "is handoff 0.0.1, which reads state files of format " + std::to_string(here + 1) +
                " to " + std::to_string(here + 2) + "; this supervisor writes format " +
                std::to_string(here));
  EXPECT_NE(problem({{"from", here - 1}, {"to", here - 1}}), "");
  EXPECT_NE(problem({{"from", std::int64_t{here} + (std::int64_t{1} << 32)},
                     {"to", std::int64_t{here} + (std::int64_t{1} << 32)}}),
            "");
}

}  // namespace
}  // namespace handoff::supervisor
