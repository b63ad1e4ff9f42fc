// A supervisor of which something is lost, and the example `echo` as its service.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "support/clients/line_client.h"
#include "support/clients/sockets.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {

inline std::string echo(int version) { return program("handoff-echo-" + std::to_string(version)); }
// As a supervisor started it that did not say yet where its services return to: nobody can look for
// it, and it comes back by itself.
inline std::vector<std::string> unseen_echo() {
  return {"/usr/bin/env", "-u", "HANDOFF_RETURN", echo(1)};
}

class LostStateTest : public ::testing::Test {
 protected:
  // What a dead supervisor leaves is ours to reap: a zombie's fds are closed, but it is there.
  static void SetUpTestSuite() { ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }

  static std::string state_file(const Supervisor& supervisor) {
    return supervisor.runtime() + "/state.json";
  }
  // No event tells that another process has executed a program.
  static bool eventually(const std::function<bool()>& so) {
    const Deadline deadline = Deadline::patience();
    while (!so()) {
      if (deadline.passed()) return false;
      (void)::poll(nullptr, 0, 1);
    }
    return true;
  }
  // The service serves the same client, and can be upgraded.
  static void expect_in_order(const Supervisor& supervisor, LineClient& client,
                              const nlohmann::json& before) {
    const nlohmann::json now = supervisor.status();
    for (const char* same : {"pid", "generation", "release", "digest", "listeners"}) {
      EXPECT_EQ(now.at(same), before.at(same)) << same;
    }
    EXPECT_EQ(client.ask("still here"), "2 1 still here");
    const auto upgrade = supervisor.upgrade(echo(2));
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
    EXPECT_EQ(upgrade.done().at("sessions").at("moved"), 1);
    EXPECT_EQ(client.ask("and there"), "3 2 and there");
  }
};

}  // namespace handoff::test
