// kv under the real supervisor, with the steps that its clients and operators take.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "support/clients/resp_client.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {

class KvUpgradeTest : public ::testing::Test {
 protected:
  void start(int release) {
    std::vector<std::string> command = {server(release)};
    command.insert(command.end(), arguments_.begin(), arguments_.end());
    supervisor_.emplace(
        Supervisor::Options{.command = command, .name = "kv", .run_flags = run_flags_});
    port_ = supervisor_->port();
  }
  void upgrade(int release) {
    supervisor_->settle();  // the next upgrade begins when the last donor has gone
    const auto upgrade = supervisor_->upgrade(server(release));
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
    const nlohmann::json done = upgrade.done();
    ASSERT_EQ(done.value("result", ""), "done") << upgrade.describe();
    EXPECT_EQ(done.at("sessions").at("lost"), 0);
    blackouts_us_.push_back(done.at("blackout_us").at("max"));
  }
  static std::string server(int release) {
    return program("handoff-kv-" + std::to_string(release));
  }
  std::vector<std::string> redis_benchmark(const std::vector<std::string>& options) const {
    std::vector<std::string> command = {"/usr/bin/env", "redis-benchmark", "-p",
                                        std::to_string(port_), "-q"};
    command.insert(command.end(), options.begin(), options.end());
    return command;
  }
  void print_blackouts() const {
    std::cout << "longest blackout of each upgrade, us:";
    for (const long us : blackouts_us_) std::cout << " " << us;
    std::cout << "\n";
  }

  // Asks until is_so() is true. is_so() asks the server, so each answer paces the next question.
  void eventually(const std::function<bool()>& is_so) {
    const Deadline deadline = Deadline::patience();
    while (!is_so()) {
      if (deadline.passed()) throw std::runtime_error("it has never become so");
    }
  }
  // The value of a field of INFO.
  long info(RespClient& client, const std::string& name) {
    const std::string all = client.ask("INFO");
    const std::size_t at = all.find(name + ":");
    return at == std::string::npos ? -1 : std::stol(all.substr(at + name.size() + 1));
  }

  std::vector<std::string> arguments_;  // of the program, in all releases
  std::vector<std::string> run_flags_;
  std::optional<Supervisor> supervisor_;
  int port_ = 0;
  std::vector<long> blackouts_us_;
};

}  // namespace handoff::test
