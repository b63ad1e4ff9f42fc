// `handoff run --watch`, and what `status` says of a file that is not any more what runs.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;

class WatchTest : public SupervisorTest {
 protected:
  WatchTest() {
    fs::create_directories(build);
    link("handoff-echo-1");
  }
  void start(const std::vector<std::string>& options) {
    supervisor.start({.command = {path, "--name", "chat"}, .name = "chat", .run_flags = options});
  }
  // As a linker that is careful.
  void link(const std::string& name) const {
    fs::copy_file(name.front() == '/' ? name : program(name), path + ".new");
    fs::rename(path + ".new", path);
  }
  void wait_for_release(const std::string& release) const {
    supervisor.wait_for_status([&](const json& now) {
      return now.at("release") == release && now.at("state") == "running";
    });
  }
  std::size_t upgrades() const { return supervisor.history("upgrade").size(); }

  const std::string build = supervisor.dir() / "build/bin";
  const std::string path = build + "/chat";
};

TEST_F(WatchTest, OpenSessionsGoOnInWhatWasBuilt) {
  start({"--watch", "--settle", "50ms"});
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  link("handoff-echo-2");
  wait_for_release("2.0");
  EXPECT_EQ(client.ask("b"), "2 2 b");
  link("handoff-echo-1");
  wait_for_release("1.0");
  EXPECT_EQ(client.ask("c"), "3 1 c");
  EXPECT_EQ(upgrades(), 2U);
}

TEST_F(WatchTest, ALinkerThatTakesItsTimeIsWaitedFor) {
  start({"--watch", "--settle", "20ms"});
  const std::string text = read_file(program("handoff-echo-2"));
  fs::remove(path);
  {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    ASSERT_GE(file, 0);
    const std::size_t half = text.size() / 2;
    ASSERT_EQ(::write(file, text.data(), half), static_cast<ssize_t>(half));
    // A file that is open for writing is not run, however long it rests. The time itself is what
    // is tested: many times that of --settle.
    EXPECT_FALSE(supervisor.process().wait_for_output("has been rebuilt", Deadline::in(400ms)));
    EXPECT_EQ(supervisor.status().at("release"), "1.0");
    ASSERT_EQ(::write(file, text.data() + half, text.size() - half),
              static_cast<ssize_t>(text.size() - half));
    ::close(file);
  }
  wait_for_release("2.0");
  EXPECT_EQ(upgrades(), 1U) << "half of it was never tried";
}

TEST_F(WatchTest, AFailedUpgradeIsToldAndTheNextBuildIsTriedAgain) {
  start({"--watch", "--settle", "20ms"});
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  link("/bin/false");
  EXPECT_TRUE(supervisor.says("the new release exited with status 1 before it was ready"));
  write_file(path, "no program\n", 0644);
  EXPECT_TRUE(supervisor.says("upgrade refused: " + path + " is no executable"));
  EXPECT_EQ(client.ask("b"), "2 1 b");
  link("handoff-echo-2");
  wait_for_release("2.0");
  EXPECT_EQ(client.ask("c"), "3 2 c");
}

TEST_F(WatchTest, WhatWasBuiltAnewAndIsTheSameIsNoUpgrade) {
  start({"--watch", "--settle", "20ms"});
  link("handoff-echo-1");
  EXPECT_TRUE(supervisor.says("has been rebuilt, and is as it was"));
  EXPECT_EQ(upgrades(), 0U);
}

TEST_F(WatchTest, ABuildFolderThatIsMadeAnewIsFound) {
  start({"--watch", "--settle", "20ms"});
  fs::remove_all(supervisor.dir() / "build");
  fs::create_directories(build);
  link("handoff-echo-2");
  wait_for_release("2.0");
}

TEST_F(WatchTest, TheFileThatRunsByNowIsWatched) {
  start({"--watch", "chat", "--settle", "20ms"});
  const std::string other = supervisor.dir() / "other";
  fs::copy_file(program("handoff-echo-2"), other);
  EXPECT_EQ(supervisor.command({"upgrade", "chat", other}).status, 0);
  EXPECT_TRUE(supervisor.says("watching " + other));
  fs::copy_file(program("handoff-echo-1"), other + ".new");
  fs::rename(other + ".new", other);
  wait_for_release("1.0");
}

TEST_F(WatchTest, OnlyTheServicesThatWereNamed) {
  supervisor.run({"--watch", "caht", "--name", "chat", "--", path});
  const Outcome refused = supervisor.process().finish();
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("no service \"caht\"; did you mean \"chat\"?"), std::string::npos)
      << refused.err;
}

// ---- drift ----------------------------------------------------------------------------------

TEST_F(WatchTest, StatusSaysWhenTheFileIsNotAnyMoreWhatRuns) {
  start({});
  EXPECT_EQ(supervisor.status().at("drift"), false);
  link("handoff-echo-1");  // another file, of the same bytes
  EXPECT_EQ(supervisor.status().at("drift"), false);
  link("handoff-echo-2");
  EXPECT_EQ(supervisor.status().at("drift"), true);
  const Outcome person = supervisor.command({"status"});
  EXPECT_NE(person.out.find(" *  1 "), std::string::npos) << person.out;
  EXPECT_NE(person.out.find("* " + path + " is not any more what chat runs (handoff upgrade chat)"),
            std::string::npos);
  EXPECT_EQ(supervisor.command({"upgrade", "chat"}).status, 0);
  EXPECT_EQ(supervisor.status().at("drift"), false);
  fs::remove(path);
  EXPECT_EQ(supervisor.status().at("drift"), true);
}

TEST_F(WatchTest, OfAServiceThatIsStoppedItIsWhatWouldRun) {
  start({});
  EXPECT_EQ(supervisor.command({"stop", "chat"}).status, 0);
  EXPECT_EQ(supervisor.status().at("drift"), false);
  link("handoff-echo-2");
  EXPECT_EQ(supervisor.status().at("drift"), true);
}

}  // namespace
}  // namespace handoff::test
