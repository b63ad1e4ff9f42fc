// What a service and its supervisor hold: taken before an upgrade that fails, and compared after
// it, since a failed upgrade leaves nothing behind (I5). And the supervisor's files by themselves.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "proc.h"
#include "supervisor.h"

namespace test {

inline bool eventually(const std::function<bool()>& so) {
  const Deadline deadline = Deadline::in(std::chrono::seconds(30));
  while (!so()) {
    if (deadline.passed()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// What the supervisor has open once it has nothing to see to but its service: without what it holds
// of a donor that has not exited yet, and without the connection of the last command, which may be
// on its way out: an accepted socket has the listener's path, but does not listen (flag 00010000).
inline std::multiset<std::string> settled_files(const Supervisor& supervisor) {
  supervisor.settle();
  const std::string path = supervisor.environment().at("HANDOFF_RUNTIME_DIR") + "/control.sock";
  EXPECT_TRUE(eventually([&] {
    std::ifstream table("/proc/net/unix");
    bool alone = true;
    for (std::string line; std::getline(table, line);) {
      if (line.ends_with(path) && line.find(" 00010000 ") == std::string::npos) alone = false;
    }
    return alone;
  }));
  return open_files(supervisor.pid());
}

class Footprint {
 public:
  explicit Footprint(Supervisor& supervisor)
      : supervisor_(supervisor),
        service_pid_(supervisor.service_pid()),
        supervisor_files_(settled_files(supervisor)),
        service_(open_files(service_pid_)) {}

  void expect_unchanged() const {
    EXPECT_EQ(supervisor_.service_pid(), service_pid_);
    expect_same("service", service_pid_, service_);
    expect_same("supervisor", supervisor_.pid(), supervisor_files_);
    EXPECT_EQ(children_of(supervisor_.pid()), std::vector<pid_t>{service_pid_});
  }
  pid_t service_pid() const { return service_pid_; }

 private:
  using Files = std::multiset<std::string>;

  static void expect_same(const std::string& who, pid_t pid, const Files& before) {
    Files now;
    eventually([&] { return (now = open_files(pid)) == before; });
    EXPECT_EQ(now, before) << who << ": " << difference(before, now);
  }

  Supervisor& supervisor_;
  pid_t service_pid_;
  Files supervisor_files_, service_;
};

// The upgrade was refused or has failed, for this cause, with advice in its message.
inline void expect_failed(const Supervisor::Outcome& upgrade, const std::string& code,
                          const std::vector<std::string>& words) {
  EXPECT_EQ(upgrade.status, 1) << upgrade.describe();
  const auto done = upgrade.done();
  ASSERT_TRUE(done.is_object()) << upgrade.describe();
  EXPECT_EQ(done.value("result", ""), "failed") << upgrade.describe();
  EXPECT_EQ(done.at("error").at("code"), code) << upgrade.describe();
  const std::string message = done.at("error").at("message");
  for (const std::string& word : words) {
    EXPECT_NE(message.find(word), std::string::npos) << "no \"" << word << "\" in: " << message;
  }
}

}  // namespace test
