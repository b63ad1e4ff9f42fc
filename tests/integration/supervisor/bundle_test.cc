// Releases that come in bundles, as real processes: what runs is what was unpacked, and what was
// refused leaves nothing.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bundle_fixture.h"
#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

TEST_F(BundleTest, OpenSessionsGoOnInTheBundlesProgramWithItsLibrary) {
  start_and_wait();
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  const std::string path = bundle("2.0");
  const json done = upgrade({path});
  EXPECT_EQ(done.at("sessions").at("moved"), 1);
  EXPECT_EQ(client.ask("b"), "2 2 b");
  const json status = supervisor.status();
  const std::string folder = supervisor.runtime() + "/releases/chat/chat-2.0";
  EXPECT_EQ(status.at("path"), folder + "/bin/chat");
  EXPECT_EQ(status.at("source"), path);
  EXPECT_EQ(status.at("args"), (json{"--name", "chat"}));
  const std::string maps = read_file("/proc/" + status.at("pid").dump() + "/maps");
  EXPECT_NE(maps.find(folder + "/lib/" LIBHANDOFF_SONAME), std::string::npos);
  EXPECT_EQ(fs::read_symlink("/proc/" + status.at("pid").dump() + "/exe"), folder + "/bin/chat");
  upgrade({program("handoff-echo-1")});
  EXPECT_EQ(client.ask("c"), "3 1 c");
  EXPECT_EQ(releases(), Names{"chat-2.0"});
}

// An interpreter in the bundle, with a script of the bundle.
TEST_F(BundleTest, AnArgumentMayBeAFileOfTheBundle) {
  start_and_wait();
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  const std::string folder = supervisor.dir() / "pack";
  for (const char* version : {"2.0", "2.1"}) {
    (void)bundle(version);
    fs::copy_file("/bin/bash", folder + "/bin/interpreter");
    write_file(folder + "/start", "exec \"${0%/*}/bin/chat\" --name \"$1\"\n");
    // The second one inherits its arguments from the first.
    const std::string args =
        version == std::string("2.0") ? "args = [\"$BUNDLE/start\", \"chat\"]\n" : "";
    write_file(folder + "/release.toml", std::string("name = \"chat\"\nversion = \"") + version +
                                             "\"\nprogram = \"bin/interpreter\"\n" + args);
    shell("tar -C " + folder + " -caf " + (supervisor.dir() / "bundle.tar") + " .");
    EXPECT_EQ(upgrade({supervisor.dir() / "bundle.tar"}).at("sessions").at("moved"), 1);
    const json status = supervisor.status();
    EXPECT_EQ(status.at("args"), (json{"$BUNDLE/start", "chat"}));
    EXPECT_EQ(fs::read_symlink("/proc/" + status.at("pid").dump() + "/exe"),
              supervisor.runtime() + "/releases/chat/chat-" + version + "/bin/chat");
  }
  ASSERT_EQ(supervisor.command({"commit", "chat"}).status, 0);
  crash();
}

// An interpreter of the host, with a script of the bundle: both are what the release is.
TEST_F(BundleTest, ItsProgramMayBeAnInterpreterOfTheHost) {
  start_and_wait();
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  const std::string interpreter = supervisor.dir() / "interpreter";
  fs::copy_file("/bin/bash", interpreter);
  const std::string path = bundle("2.0");
  const std::string folder = supervisor.dir() / "pack";
  write_file(folder + "/start", "exec \"${0%/*}/bin/chat\" --name \"$1\"\n");
  write_file(folder + "/release.toml", "name = \"chat\"\nversion = \"2.0\"\nprogram = \"" +
                                           interpreter +
                                           "\"\nargs = [\"$BUNDLE/start\", \"chat\"]\n");
  shell("tar -C " + folder + " -caf " + path + " .");
  EXPECT_EQ(upgrade({path}).at("sessions").at("moved"), 1);
  EXPECT_EQ(client.ask("b"), "2 2 b");
  const json status = supervisor.status();
  EXPECT_EQ(status.at("path"), interpreter);
  EXPECT_EQ(status.at("source"), path);
  EXPECT_EQ(status.at("drift"), false);
  ASSERT_EQ(supervisor.command({"commit", "chat"}).status, 0);
  supervisor.wait_for_status([](const json& now) { return now.at("kept") == true; });

  // The host gets another one.
  fs::remove(interpreter);
  fs::copy_file("/bin/bash", interpreter);
  std::ofstream(interpreter, std::ios::app) << "another";
  EXPECT_TRUE(supervisor.eventually([&] { return supervisor.status().at("drift") == true; }));
  crash();
  EXPECT_TRUE(supervisor.says("the copy that was kept runs")) << supervisor.log();
  const json done = upgrade({});
  EXPECT_EQ(supervisor.status().at("drift"), false);
  EXPECT_EQ(supervisor.status().at("standing"), "provisional") << done;
}

TEST_F(BundleTest, TheBundleAtTheSamePathIsReadAgain) {
  start_and_wait();
  upgrade({bundle("2.0")});
  bundle("2.1");
  upgrade({});
  EXPECT_EQ(supervisor.status().at("path"),
            supervisor.runtime() + "/releases/chat/chat-2.1/bin/chat");
  EXPECT_EQ(releases(), (Names{"chat-2.0", "chat-2.1"}));
}

TEST_F(BundleTest, OnlyTheLastFiveStay) {
  start_and_wait();
  for (int version = 1; version <= 7; ++version) {
    supervisor.settle();
    upgrade({bundle(std::to_string(version))});
  }
  EXPECT_TRUE(supervisor.eventually([&] { return releases().size() == 5; }));
  EXPECT_EQ(releases(), (Names{"chat-3", "chat-4", "chat-5", "chat-6", "chat-7"}));
}

TEST_F(BundleTest, WhatElseLiesInItsFolderStays) {
  const std::string folder = supervisor.dir() / "srv";
  const Names others = {"backups", "chat-0.9", "config", "postgres-data", "uploads", "www"};
  for (const std::string& name : others) {
    fs::create_directories(folder + "/" + name);
    write_file(folder + "/" + name + "/precious", name);
    fs::last_write_time(folder + "/" + name,
                        fs::file_time_type::clock::now() - std::chrono::hours(1000));
  }
  write_file(folder + "/.handoff-releases", "");  // else it is refused
  start_and_wait("releases_dir = \"" + folder + "\"\n");
  for (int version = 1; version <= 6; ++version) {
    supervisor.settle();
    upgrade({bundle(std::to_string(version))});
  }
  EXPECT_TRUE(supervisor.eventually([&] { return !fs::exists(folder + "/chat-1"); }));
  for (const std::string& name : others) {
    EXPECT_EQ(read_file(folder + "/" + name + "/precious"), name);
  }
  EXPECT_EQ(upgrade({bundle("0.9")}, 1).at("error").at("code"), "open");
  EXPECT_EQ(read_file(folder + "/chat-0.9/precious"), "chat-0.9");
}

TEST_F(BundleTest, TheSupervisorItselfDoesNotReadArchives) {
  start_and_wait();
  upgrade({bundle("2.0")});
  const std::string maps = read_file("/proc/" + std::to_string(supervisor.pid()) + "/maps");
  EXPECT_NE(maps.find("libuv"), std::string::npos);
  EXPECT_EQ(maps.find("libarchive"), std::string::npos);
}

TEST_F(BundleTest, ASupervisorWithoutItsUnpackerServesAndSaysSo) {
  const std::string alone = supervisor.dir() / "handoff";
  fs::copy_file(program("handoff"), alone);
  configure("", program("handoff-echo-1"));
  Supervisor::Options options = configured(config);
  options.wrapper = {"/bin/bash", "-c", "exec " + alone + " \"${@:2}\"", "bash"};
  supervisor.start(options);
  LineClient client(supervisor.port());
  const json refused = upgrade({bundle("2.0")}, 1);
  EXPECT_EQ(refused.at("error").at("code"), "open");
  const auto why = refused.at("error").at("message").get<std::string>();
  EXPECT_NE(why.find("there is no " + alone + "-unpack"), std::string::npos) << why;
  upgrade({program("handoff-echo-2")});
  EXPECT_EQ(client.ask("a"), "1 2 a");
  EXPECT_TRUE(releases().empty());
}

TEST_F(BundleTest, AFailedUpgradeLeavesNothing) {
  start_and_wait();
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  const json before = supervisor.status();
  const std::size_t fds = supervisor.settled_files().size();
  EXPECT_EQ(upgrade({bundle("2.0", "/bin/false")}, 1).at("error").at("code"), "exited");
  EXPECT_TRUE(supervisor.eventually([&] { return releases().empty(); }));
  const std::string wicked = supervisor.dir() / "wicked.tar";
  write_file(supervisor.dir() / "evil", "x");
  shell("cd " + supervisor.dir().path() + "/pack && tar -P -cf " + wicked +
        " ./release.toml ../evil");
  const json refused = upgrade({wicked}, 1);
  EXPECT_EQ(refused.at("error").at("code"), "open");
  EXPECT_NE(
      refused.at("error").at("message").get<std::string>().find("../evil leads out of the bundle"),
      std::string::npos)
      << refused;
  EXPECT_EQ(releases(), Names{});
  EXPECT_EQ(supervisor.settled_files().size(), fds);
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_EQ(client.ask("b"), "2 1 b");
}

TEST_F(BundleTest, ItsFolderIsThatOfTheConfiguration) {
  const std::string folder = supervisor.dir() / "srv/chat";
  start_and_wait("releases_dir = \"" + folder + "\"\n");
  upgrade({bundle("2.0", program("bundled_echo"), "zipped.tar.gz")});
  EXPECT_EQ(supervisor.status().at("path"), folder + "/chat-2.0/bin/chat");
}

TEST_F(BundleTest, ItRunsAgainAfterACrashAndUnderTheNextSupervisor) {
  start_and_wait();
  upgrade({bundle("2.0")});
  ASSERT_EQ(supervisor.command({"commit", "chat"}).status, 0);
  fs::remove(supervisor.dir() / "bundle.tar");
  crash();
  const json before = supervisor.status();
  supervisor.kill();
  supervisor.start(configured(config));
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_EQ(supervisor.status().at("digest"), before.at("digest"));
  crash();
}

TEST_F(BundleTest, ACommandIsNoBundle) {
  run("", bundle("2.0"));
  supervisor.wait_for_state("backoff");
  EXPECT_NE(supervisor.log().find("is a bundle, and command is a program"), std::string::npos);
  EXPECT_EQ(releases(), Names{});
}

}  // namespace
}  // namespace handoff::test
