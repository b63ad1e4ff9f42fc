// `handoff run --watch`, and what `status` says of a file that is not any more what runs.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "echo_session.h"
#include "supervised.h"

namespace handoff::test::supervised {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class WatchTest : public testing::Test {
 protected:
  WatchTest() {
    fs::create_directories(build);
    link("handoff-echo-1");
  }
  void start(const std::vector<std::string>& options) {
    std::vector<std::string> all{"--name", "chat", "--listen", "public=tcp:127.0.0.1:0"};
    all.insert(all.end(), options.begin(), options.end());
    all.insert(all.end(), {"--", path, "--name", "chat"});
    supervisor.run(all);
    ASSERT_TRUE(supervisor.wait_for_state("running")) << supervisor.log();
  }
  // As a linker that is careful.
  void link(const std::string& program) const {
    fs::copy_file(program.front() == '/' ? program : sibling(program), path + ".new");
    fs::rename(path + ".new", path);
  }
  bool runs(const std::string& release) const {
    return eventually([&] {
      const json status = supervisor.status();
      return status.at("release") == release && status.at("state") == "running";
    });
  }
  bool says(const std::string& text) const {
    return eventually([&] { return supervisor.log().find(text) != std::string::npos; });
  }
  int upgrades() const {
    const std::string text = supervisor.cli({"history", "--json"}).out;
    int count = 0;
    for (std::size_t at = 0; (at = text.find("\"event\":\"upgrade\"", at)) != std::string::npos;
         ++at) {
      ++count;
    }
    return count;
  }

  Supervised supervisor;
  const std::string build = supervisor.dir() / "build/bin";
  const std::string path = build + "/chat";
};

TEST_F(WatchTest, OpenSessionsGoOnInWhatWasBuilt) {
  start({"--watch", "--settle", "50ms"});
  const EchoClient client(supervisor.port());
  EXPECT_EQ(client.say("a"), "1 1 a");
  link("handoff-echo-2");
  EXPECT_TRUE(runs("2.0")) << supervisor.log();
  EXPECT_EQ(client.say("b"), "2 2 b");
  link("handoff-echo-1");
  EXPECT_TRUE(runs("1.0"));
  EXPECT_EQ(client.say("c"), "3 1 c");
  EXPECT_EQ(upgrades(), 2);
}

TEST_F(WatchTest, ALinkerThatTakesItsTimeIsWaitedFor) {
  start({"--watch", "--settle", "20ms"});
  const std::string program = read_file(sibling("handoff-echo-2"));
  fs::remove(path);
  {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    ASSERT_GE(file, 0);
    const std::size_t half = program.size() / 2;
    ASSERT_EQ(::write(file, program.data(), half), static_cast<ssize_t>(half));
    // It is open for writing: however long it rests, it is not run. (The status is what passes
    // time.)
    for (int i = 0; i < 20; ++i) EXPECT_EQ(supervisor.status().at("release"), "1.0");
    ASSERT_EQ(::write(file, program.data() + half, program.size() - half),
              static_cast<ssize_t>(program.size() - half));
    ::close(file);
  }
  EXPECT_TRUE(runs("2.0")) << supervisor.log();
  EXPECT_EQ(upgrades(), 1) << "half of it was never tried";
}

TEST_F(WatchTest, AFailedUpgradeIsToldAndTheNextBuildIsTriedAgain) {
  start({"--watch", "--settle", "20ms"});
  const EchoClient client(supervisor.port());
  EXPECT_EQ(client.say("a"), "1 1 a");
  link("/bin/false");
  EXPECT_TRUE(says("the new release exited with status 1 before it was ready")) << supervisor.log();
  write_file(path, "no program\n", 0644);
  EXPECT_TRUE(says("upgrade refused: " + path + " is no executable")) << supervisor.log();
  EXPECT_EQ(client.say("b"), "2 1 b");
  link("handoff-echo-2");
  EXPECT_TRUE(runs("2.0")) << supervisor.log();
  EXPECT_EQ(client.say("c"), "3 2 c");
}

TEST_F(WatchTest, WhatWasBuiltAnewAndIsTheSameIsNoUpgrade) {
  start({"--watch", "--settle", "20ms"});
  link("handoff-echo-1");
  EXPECT_TRUE(says("has been rebuilt, and is as it was")) << supervisor.log();
  EXPECT_EQ(upgrades(), 0);
}

TEST_F(WatchTest, ABuildFolderThatIsMadeAnewIsFound) {
  start({"--watch", "--settle", "20ms"});
  fs::remove_all(supervisor.dir() / "build");
  fs::create_directories(build);
  link("handoff-echo-2");
  EXPECT_TRUE(runs("2.0")) << supervisor.log();
}

TEST_F(WatchTest, TheFileThatRunsByNowIsWatched) {
  start({"--watch", "chat", "--settle", "20ms"});
  const std::string other = supervisor.dir() / "other";
  fs::copy_file(sibling("handoff-echo-2"), other);
  EXPECT_EQ(supervisor.cli({"upgrade", "chat", other}).status, 0);
  EXPECT_TRUE(says("watching " + other));
  fs::copy_file(sibling("handoff-echo-1"), other + ".new");
  fs::rename(other + ".new", other);
  EXPECT_TRUE(runs("1.0")) << supervisor.log();
}

TEST_F(WatchTest, OnlyTheServicesThatWereNamed) {
  supervisor.run({"--watch", "caht", "--name", "chat", "--", path});
  const Outcome refused = supervisor.process().wait();
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("no service \"caht\"; did you mean \"chat\"?"), std::string::npos)
      << refused.err;
}

// ---- drift
// ---------------------------------------------------------------------------------------

TEST_F(WatchTest, StatusSaysWhenTheFileIsNotAnyMoreWhatRuns) {
  start({});
  EXPECT_EQ(supervisor.status().at("drift"), false);
  link("handoff-echo-1");  // another file, of the same bytes
  EXPECT_EQ(supervisor.status().at("drift"), false);
  link("handoff-echo-2");
  EXPECT_EQ(supervisor.status().at("drift"), true);
  const Outcome person = supervisor.cli({"status"});
  EXPECT_NE(person.out.find(" *  1 "), std::string::npos) << person.out;
  EXPECT_NE(person.out.find("* " + path + " is not any more what chat runs (handoff upgrade chat)"),
            std::string::npos);
  EXPECT_EQ(supervisor.cli({"upgrade", "chat"}).status, 0);
  EXPECT_EQ(supervisor.status().at("drift"), false);
  fs::remove(path);
  EXPECT_EQ(supervisor.status().at("drift"), true);
}

TEST_F(WatchTest, OfAServiceThatIsStoppedItIsWhatWouldRun) {
  start({});
  EXPECT_EQ(supervisor.cli({"stop", "chat"}).status, 0);
  EXPECT_EQ(supervisor.status().at("drift"), false);
  link("handoff-echo-2");
  EXPECT_EQ(supervisor.status().at("drift"), true);
}

}  // namespace
}  // namespace handoff::test::supervised
