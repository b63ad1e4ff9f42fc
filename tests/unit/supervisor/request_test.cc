// Requests of operators: every field of a good one is read, and an odd one is refused on arrival.
#include "supervisor/operators/request.h"

#include <gtest/gtest.h>

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

Result<Request> parsed(const std::string& members) {
  return parse_request(json::parse(R"({"command": "upgrade", "service": "echo")" +
                                   (members.empty() ? "" : ", " + members) + "}"));
}

TEST(RequestTest, TakesWhatIsAsked) {
  const auto request = parsed(R"("path": "/opt/echo", "args": ["-v", ""], "shares": [10, 1000],
                                 "pause_us": 1000, "start_timeout_us": 5,
                                 "freeze_budget_us": 100000, "probation_us": 0)");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->command, Request::Command::kUpgrade);
  EXPECT_EQ(request->service, "echo");
  EXPECT_EQ(request->path, "/opt/echo");
  EXPECT_EQ(request->args, (std::vector<std::string>{"-v", ""}));
  EXPECT_EQ(request->shares, (std::vector<std::uint32_t>{10, 1000}));
  EXPECT_EQ(request->pause, 1ms);
  const Timeouts timeouts = request->timeouts.over({});
  EXPECT_EQ(timeouts.start, 5us);
  EXPECT_EQ(timeouts.freeze_budget, 100ms);
  EXPECT_EQ(timeouts.stall, Timeouts{}.stall);
  EXPECT_EQ(timeouts.drain, Timeouts{}.drain);
  EXPECT_EQ(timeouts.probation, 0us);
}

TEST(RequestTest, WhatIsNotAskedIsAsItWas) {
  const auto request = parsed("");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->path, "");
  EXPECT_FALSE(request->args);
  EXPECT_TRUE(request->shares.empty());
  EXPECT_EQ(request->timeouts.over({}), Timeouts{});
}

TEST(RequestTest, TimesAreAtMostADay) {
  for (const char* longest : {"86400000000", "86400000001", "18446744073709551615"}) {
    const auto request =
        parsed(std::string("\"pause_us\": ") + longest + ", \"drain_us\": " + longest);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->pause, 24h);
    EXPECT_EQ(request->timeouts.drain, 24h);
  }
}

TEST(RequestTest, RefusesTimesThatAreNoWholeNumber) {
  for (const char* name : {"start_timeout_us", "freeze_budget_us", "stall_timeout_us", "drain_us",
                           "probation_us", "pause_us"}) {
    for (const char* value : {"-1", "1.5", "1e300", "-1e300", "true", "null", "\"5\"", "[]"}) {
      const auto refused = parsed("\"" + std::string(name) + "\": " + value);
      ASSERT_FALSE(refused) << name << value;
      EXPECT_EQ(refused.error().message,
                "\"" + std::string(name) + "\" of the request is no whole number of microseconds");
    }
  }
}

TEST(RequestTest, RefusesSharesThatDoNotEndWithAll) {
  for (const char* shares :
       {"[500, 600]", "[1000, 500]", "[500, 500, 1000]", "[0, 1000]", "[1001]", "[-1, 1000]",
        "[0.5, 1000]", "[\"500\", 1000]", "[null]", "500", "{}", "\"50%,100%\"", "true", "null",
        "[4294967296, 1000]", "[[1000]]", "[1,2,3,4,5,6,7,8,9,10,1000]"}) {
    const auto refused = parsed("\"shares\": " + std::string(shares));
    ASSERT_FALSE(refused) << shares;
    EXPECT_EQ(refused.error().message,
              "\"shares\" of the request is no list of at most ten ascending thousandths of which "
              "the last is 1000");
  }
  for (const char* shares : {"[]", "[1000]", "[1, 999, 1000]", "[1,2,3,4,5,6,7,8,9,1000]"}) {
    EXPECT_TRUE(parsed("\"shares\": " + std::string(shares))) << shares;
  }
}

// The supervisor has another working folder than who asks.
TEST(RequestTest, RefusesPathsThatAreNotAbsolute) {
  for (const char* path : {"echo", "./echo", "../echo", "~/echo"}) {
    const auto refused = parsed("\"path\": \"" + std::string(path) + "\"");
    ASSERT_FALSE(refused) << path;
    EXPECT_EQ(refused.error().message, "\"path\" of the request is no absolute path");
  }
}

TEST(RequestTest, RefusesTextThatIsNone) {
  for (const char* odd : {R"("path": 3)", R"("path": null)", R"("path": ["/x"])",
                          R"("path": "/opt/echo\u0000-2")", R"("args": "x")", R"("args": [1])",
                          R"("args": null)", R"("args": {"0": "x"})", R"("args": ["a\u0000b"])"}) {
    EXPECT_FALSE(parsed(odd)) << odd;
  }
  for (const char* odd :
       {"null", "3", "[]", "\"upgrade\"", "{}", R"({"command": 3})", R"({"command": "fly"})",
        R"({"command": "status", "service": 3})", R"({"command": "status", "service": null})",
        R"({"command": "status\u0000"})"}) {
    EXPECT_FALSE(parse_request(json::parse(odd))) << odd;
  }
  EXPECT_FALSE(parse_request(json::parse("{\"command\":", nullptr, false))) << "half an object";
}

TEST(RequestTest, WhatConcernsAServiceNamesOne) {
  for (const char* command :
       {"upgrade", "plan", "drop_plan", "restart", "rollback", "commit", "stop"}) {
    const auto refused = parse_request({{"command", command}});
    ASSERT_FALSE(refused) << command;
    EXPECT_EQ(refused.error().message, "the request names no service");
    EXPECT_TRUE(parse_request({{"command", command}, {"service", "echo"}})) << command;
  }
  for (const char* command : {"status", "reload", "self"}) {
    EXPECT_TRUE(parse_request({{"command", command}})) << command;
  }
}

TEST(RequestTest, MembersOfANewerClientArePassedOver) {
  EXPECT_TRUE(parsed(R"("fence": "now", "later": {"a": [1]})"));
}

}  // namespace
}  // namespace handoff::supervisor
