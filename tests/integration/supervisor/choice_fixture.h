// An echo service in two releases, and what the state folder has of the one that was chosen, over
// reboots and starts of the supervisor.
#pragma once

#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <csignal>
#include <filesystem>
#include <functional>
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

class ChoiceTest : public SupervisorTest {
 protected:
  // What a dead supervisor leaves is ours to reap: a zombie's fds are closed, but it is there.
  static void SetUpTestSuite() { ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }

  static std::string echo(int version) {
    return program("handoff-echo-" + std::to_string(version));
  }
  // As a package does: another file by that name.
  static void install(int version, const std::string& path) {
    fs::copy_file(echo(version), path + ".new", fs::copy_options::overwrite_existing);
    fs::rename(path + ".new", path);
  }
  void start() {
    install(1, one);
    install(2, two);
    supervisor.start({.command = {one}});
    wait_until_kept();
  }
  void upgrade(const std::string& path, const std::vector<std::string>& flags = {}) {
    const auto done = supervisor.upgrade(path, {}, flags);
    ASSERT_EQ(done.status, 0) << done.describe();
    wait_until_kept();
  }
  // The choice is on the disk as soon as its release's copy is there, and what follows it is.
  void wait_until_kept() {
    supervisor.wait_for_status([](const json& now) { return now.at("kept") == true; });
  }
  json choice() const { return json::parse(read_file(chosen), nullptr, false); }
  void wait_for_choice(const std::function<bool(const json&)>& so) {
    EXPECT_TRUE(supervisor.eventually([&] {
      const json now = choice();
      return now.is_object() && so(now);
    })) << read_file(chosen);
  }
  // Everything ends at once, and another boot follows.
  void power_off() {
    // A release that leaves may still be there. Stopped, the supervisor reaps none of them.
    ASSERT_EQ(::kill(supervisor.pid(), SIGSTOP), 0);
    std::vector<UniqueFd> services;
    for (const pid_t pid : children_of(supervisor.pid())) services.push_back(hold(pid));
    supervisor.kill();
    for (const UniqueFd& service : services) kill_and_wait(service);
    const std::string path = supervisor.runtime() + "/state.json";
    json state = json::parse(read_file(path));
    state["boot"] = "another";
    write_file(path, state.dump(), 0600);
  }
  void reboot() {
    power_off();
    supervisor.start_again();
  }
  // As `systemctl restart` does.
  void restart() {
    ASSERT_EQ(supervisor.terminate().status, 0);
    supervisor.start_again();
  }
  // Without waiting for a service that does not run.
  void run_again() { supervisor.run({"--name", "echo", "--listen", listener, "--", one}); }
  void expect_runs(int version, const std::string& standing, const json& back) {
    const json status = supervisor.wait_for_status([&](const json& now) {
      return now.at("state") == "running" && now.at("release") == std::to_string(version) + ".0";
    });
    EXPECT_EQ(status.at("standing"), standing);
    const json& found = status.at("back");
    EXPECT_EQ(found.is_null() ? json() : found.at("release"), back);
    EXPECT_EQ(LineClient(supervisor.port()).ask("a"), "1 " + std::to_string(version) + " a");
  }

  std::string listener = "public=tcp:127.0.0.1:0";
  std::string one = supervisor.dir() / "echo";
  std::string two = supervisor.dir() / "echo-2";
  std::string chosen = supervisor.dir() / "run/kept/echo/choice.json";
};

}  // namespace handoff::test
