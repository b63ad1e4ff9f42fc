// Service::state_steps() returns the declared steps, so that tests can check them.
#include <gtest/gtest.h>

#include "handoff/handoff.hpp"
#include "handoff/testing.hpp"

namespace handoff::test {
namespace {

TEST(DeclaredStepsTest, AreThoseOfTheService) {
  const auto service = Service::open({.name = "api", .version = "2.0", .state_version = 2});
  service->kind("cart", 3);
  service->on_upgrade_state(1, 2, [](std::string_view s) { return std::string(s) + "+"; });
  service->on_downgrade_state(2, 1, [](std::string_view s) { return std::string(s.substr(1)); });
  service->on_upgrade_state(
      2, 3, [](std::string_view s) { return std::string(s); }, "cart");
  ASSERT_EQ(2U, testing::steps_of(*service).all().size());
  EXPECT_EQ("a+", testing::steps_of(*service).all().at({1, 2})("a"));
  ASSERT_EQ(1U, testing::steps_of(*service, "cart").all().size());
  EXPECT_TRUE(testing::steps_of(*service, "basket").all().empty());
  // This step removes the first character where it should remove the last.
  const auto checked = testing::check_round_trips(testing::steps_of(*service), {{1, "ab"}});
  ASSERT_EQ(1U, checked.problems().size());
  EXPECT_NE(std::string::npos, checked.problems()[0].find("was \"ab\"\n  is  \"b+\"")) << checked;
}

}  // namespace
}  // namespace handoff::test
