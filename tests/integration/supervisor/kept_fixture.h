// An echo service whose files are moved, replaced and overwritten, and what the supervisor keeps of
// it.
#pragma once

#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fixture.h"
#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {

namespace fs = std::filesystem;
using nlohmann::json;

class KeptTest : public SupervisorTest {
 protected:
  // What a dead supervisor leaves is ours to reap: a zombie's fds are closed, but it is there.
  static void SetUpTestSuite() { ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }

  static void put(int version, const std::string& path) {
    fs::copy_file(program("handoff-echo-" + std::to_string(version)), path,
                  fs::copy_options::overwrite_existing);
  }
  // Into the very file, as `cat new > old` does.
  static void overwrite(int version, const std::string& path) {
    const std::string bytes = read_file(program("handoff-echo-" + std::to_string(version)));
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << bytes;
    ASSERT_TRUE(file.good());
  }
  void start() {
    put(1, one);
    put(2, two);
    supervisor.start({.command = {one}});
    wait_until_kept();
  }
  // The copies are made on a thread.
  void wait_until_kept() {
    supervisor.wait_for_status([](const json& now) { return now.at("kept") == true; });
  }
  void kill_service() { kill_and_wait(hold(supervisor.service_pid())); }
  json crash_service() {
    const json before = supervisor.status();
    kill_service();
    return supervisor.wait_for_status([&](const json& now) {
      return now.at("state") == "running" && now.at("generation") != before.at("generation");
    });
  }
  void kill_both() {
    const UniqueFd service = hold(supervisor.service_pid());
    supervisor.kill();
    kill_and_wait(service);
  }
  std::string kept() const { return supervisor.runtime() + "/kept/echo"; }
  std::vector<std::string> ids() const {
    std::vector<std::string> out;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(kept(), none)) {
      if (entry.is_directory()) out.push_back(entry.path().filename());
    }
    return out;
  }
  void expect_runs(int version) {
    const std::string text = std::to_string(version);
    EXPECT_EQ(supervisor.status().at("release"), text + ".0");
    EXPECT_EQ(LineClient(supervisor.port()).ask("a"), "1 " + text + " a");
  }

  std::string one = supervisor.dir() / "echo";
  std::string two = supervisor.dir() / "echo-2";
};

}  // namespace handoff::test
