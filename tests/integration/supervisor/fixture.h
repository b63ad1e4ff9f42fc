// The fake service under a real supervisor, by the name "chat".
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/supervisor/supervisor.h"

namespace handoff::test {

std::string fake_service();  // the program
// arguments are those of the fake service, flags of `handoff run`.
Supervisor::Options fake(const std::vector<std::string>& arguments = {},
                         const std::vector<std::string>& flags = {});
// Services as a configuration has them, the first of them chat.
Supervisor::Options configured(const std::string& file, Environment environment = {});

// What its service answers to a connection ("RELEASE GENERATION"); "refused" if that is not made.
std::string ask_service(const Supervisor& supervisor);

// A supervisor that a test starts; what it has said is shown where the test fails.
class SupervisorTest : public ::testing::Test {
 protected:
  void TearDown() override;
  // `handoff run` of the fake service, which does not come up.
  Outcome start_fails();

  Supervisor supervisor;
};

}  // namespace handoff::test
