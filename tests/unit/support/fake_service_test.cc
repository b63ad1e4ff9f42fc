// A test that misspells an option of the fake service must fail.
#include <gtest/gtest.h>

#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

// Why the fake service refuses these arguments.
std::string refusal(const std::vector<std::string>& arguments) {
  std::vector<std::string> command{program("fake_service")};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const Outcome outcome = run(command);
  EXPECT_EQ(outcome.status, 2) << outcome.describe();
  EXPECT_EQ(outcome.out, "");
  return outcome.err;
}

TEST(FakeServiceTest, RefusesOptionsThatItDoesNotKnow) {
  EXPECT_EQ(refusal({"--release", "1.0", "--hier", "fail"}),
            "fake_service: there is no option --hier: see fake_options.h\n");
  EXPECT_EQ(refusal({"release", "1.0"}),
            "fake_service: there is no option release: see fake_options.h\n");
}

TEST(FakeServiceTest, RefusesValuesThatAnOptionCanNotHave) {
  EXPECT_EQ(refusal({"--ignore", "everything"}),
            "fake_service: --ignore can't be everything, but query stop\n");
  EXPECT_NE(refusal({"--heir", "fails"}).find("--heir can't be fails, but crash-after-register"),
            std::string::npos);
  EXPECT_EQ(refusal({"--donor"}), "fake_service: --donor lacks its value\n");
}

// With known options it gets further, and fails for want of a supervisor (status 97).
TEST(FakeServiceTest, TakesThoseThatItKnows) {
  EXPECT_EQ(run({program("fake_service"), "--heir", "exit=3", "--ignore", "stop"}).status, 97);
}

}  // namespace
}  // namespace handoff::test
