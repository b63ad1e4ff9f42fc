// The members of an operator's request.
#include "messages.h"

#include <gtest/gtest.h>

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;

TEST(MessagesTest, TakesTheDeadlinesOfARequest) {
  const auto request = nlohmann::json::parse(
      R"({"start_timeout_us": 5, "freeze_budget_us": 100000, "drain_us": 18446744073709551615})");
  const Timeouts timeouts = timeouts_from(request, {});
  EXPECT_EQ(timeouts.start, 5us);
  EXPECT_EQ(timeouts.freeze_budget, 100ms);
  EXPECT_EQ(timeouts.stall, Timeouts{}.stall);
  EXPECT_EQ(timeouts.drain, 24h);
}

TEST(MessagesTest, RefusesDeadlinesThatAreNoWholeNumber) {
  for (const char* value : {"-1", "1.5", "1e300", "-1e300", "true", "null", "\"5\"", "[]"}) {
    const auto request =
        nlohmann::json::parse(std::string(R"({"freeze_budget_us": )") + value + "}");
    EXPECT_THROW(timeouts_from(request, {}), nlohmann::json::type_error) << value;
  }
}

}  // namespace
}  // namespace handoff::supervisor
