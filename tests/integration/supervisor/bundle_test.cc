// Releases that come in bundles, and releases that have to be signed, as real processes: what runs
// is what was unpacked or verified, and what was refused leaves nothing.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class BundleTest : public SupervisorTest {
 protected:
  void configure(const std::string& more, const std::string& binary) {
    write_file(config,
               "[service.chat]\ncommand = [\"" + binary +
                   "\", \"--name\", \"chat\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n" + more);
  }
  void start_and_wait(const std::string& more = "",
                      const std::string& binary = program("handoff-echo-1")) {
    configure(more, binary);
    supervisor.start(configured(config));
  }
  void run(const std::string& more, const std::string& binary) {
    configure(more, binary);
    supervisor.run({"--config", config});
  }
  // echo 2 with its library, under that version; binary: another one in its place.
  std::string bundle(const std::string& version,
                     const std::string& binary = program("bundled_echo"),
                     const std::string& file = "bundle.tar") {
    const std::string folder = supervisor.dir() / "pack";
    fs::remove_all(folder);
    fs::create_directories(folder + "/bin");
    fs::create_directories(folder + "/lib");
    write_file(folder + "/release.toml", "name = \"chat\"\nversion = \"" + version +
                                             "\"\nprogram = \"bin/chat\"\nargs = [\"--name\", "
                                             "\"chat\"]\n");
    fs::copy_file(binary, folder + "/bin/chat");
    fs::copy_file(LIBHANDOFF, folder + "/lib/" LIBHANDOFF_SONAME);
    fs::create_symlink(LIBHANDOFF_SONAME, folder + "/lib/libhandoff.so");
    const std::string path = supervisor.dir() / file;
    shell("tar -C " + folder + " -caf " + path + " .");
    return path;
  }
  json upgrade(const std::vector<std::string>& arguments, int status = 0) {
    // What is asked here is not how long a host that has just unpacked a bundle may take.
    std::vector<std::string> all{"upgrade", "--json", "--freeze-budget", "5s", "chat"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Outcome outcome = supervisor.command(all);
    EXPECT_EQ(outcome.status, status) << outcome.out << outcome.err;
    return json::parse(outcome.out.substr(outcome.out.rfind('\n', outcome.out.size() - 2) + 1));
  }
  std::vector<std::string> releases() const {
    std::vector<std::string> out;
    std::error_code none;
    for (const auto& entry :
         fs::directory_iterator(supervisor.runtime() + "/releases/chat", none)) {
      out.push_back(entry.path().filename());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  void crash() {
    const json before = supervisor.status();
    ASSERT_EQ(::kill(before.at("pid"), SIGKILL), 0);
    const json after = supervisor.wait_for_status([&](const json& now) {
      return now.at("state") == "running" && now.at("pid") != before.at("pid");
    });
    EXPECT_EQ(after.at("digest"), before.at("digest"));
    EXPECT_EQ(after.at("path"), before.at("path"));
  }
  using Names = std::vector<std::string>;

  std::string config = supervisor.dir() / "handoff.toml";
};

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

// ---- verify.key -----------------------------------------------------------------------------

class VerifyTest : public BundleTest {
 protected:
  VerifyTest() {
    shell("minisign -G -W -f -p " + key + " -s " + (supervisor.dir() / "k.key"));
    fs::copy_file(program("handoff-echo-1"), one);
    fs::copy_file(program("handoff-echo-2"), two);
  }
  void sign(const std::string& path) {
    shell("minisign -S -s " + (supervisor.dir() / "k.key") + " -m " + path);
  }
  const std::string key = supervisor.dir() / "k.pub";
  const std::string verify = "verify = { key = \"" + key + "\" }\n";
  const std::string one = supervisor.dir() / "echo-1";
  const std::string two = supervisor.dir() / "echo-2";
};

TEST_F(VerifyTest, NothingUnsignedIsStarted) {
  run(verify, one);
  supervisor.wait_for_state("backoff");
  EXPECT_NE(supervisor.log().find(one + " is not signed, and only what is signed may run"),
            std::string::npos);
  EXPECT_TRUE(supervisor.status().at("pid").is_null());
  const Outcome checked = supervisor.command({"check", "--config", config});
  EXPECT_EQ(checked.status, 1);
  EXPECT_NE(checked.err.find(":2: chat: command: " + one + " is not signed"), std::string::npos)
      << checked.err;
  sign(one);
  supervisor.wait_for_state("running");
  EXPECT_EQ(supervisor.status().at("verified").get<std::string>().size(), 16U);
}

TEST_F(VerifyTest, OnlyWhatIsSignedTakesOver) {
  sign(one);
  start_and_wait(verify, one);
  EXPECT_EQ(supervisor.command({"check", "--config", config}).status, 0);
  LineClient client(supervisor.port());
  EXPECT_EQ(client.ask("a"), "1 1 a");
  const json before = supervisor.status();
  EXPECT_EQ(before.at("verified").get<std::string>().size(), 16U);
  EXPECT_EQ(upgrade({two}, 1).at("error").at("code"), "signature");
  const std::string unsigned_bundle = bundle("2.0");
  EXPECT_EQ(upgrade({unsigned_bundle}, 1).at("error").at("code"), "signature");
  EXPECT_EQ(releases(), Names{});
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_EQ(client.ask("b"), "2 1 b");
  sign(two);
  upgrade({two});
  EXPECT_EQ(client.ask("c"), "3 2 c");
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
  EXPECT_EQ(client.ask("d"), "4 2 d");
  sign(unsigned_bundle);
  upgrade({unsigned_bundle});
  EXPECT_EQ(client.ask("e"), "5 2 e");
  EXPECT_EQ(releases(), Names{"chat-2.0"});
}

TEST_F(VerifyTest, WhatWasVerifiedRunsAgainWhateverHappensToTheFile) {
  sign(one);
  start_and_wait(verify, one);
  {
    // In place, as no honest tool does it.
    std::ofstream file(one, std::ios::in | std::ios::out | std::ios::binary);
    file << "#!/bin/sh\nexit 1\n";
  }
  crash();
  EXPECT_EQ(LineClient(supervisor.port()).ask("a"), "1 1 a");
  const json before = supervisor.status();
  supervisor.kill();
  // The next supervisor finds the configured file altered: it goes on with what the process has.
  supervisor.start(configured(config));
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid"));
  EXPECT_EQ(supervisor.status().at("verified"), before.at("verified"));
  crash();
}

TEST_F(VerifyTest, WhatRanUnsignedUnderTheSupervisorBeforeIsNotStartedAgain) {
  start_and_wait("", one);
  const json before = supervisor.status();
  supervisor.kill();
  write_file(config, read_file(config) + verify);
  supervisor.start(configured(config));
  EXPECT_EQ(supervisor.status().at("pid"), before.at("pid")) << "whoever runs goes on";
  ASSERT_EQ(::kill(before.at("pid"), SIGKILL), 0);
  EXPECT_TRUE(supervisor.says(one + " is not signed"));
  sign(one);
  supervisor.wait_for_state("running");
}

TEST_F(VerifyTest, AKeyThatComesByReloadCountsForWhatIsOpenedFromThenOn) {
  start_and_wait("", one);
  EXPECT_TRUE(supervisor.status().at("verified").is_null());
  write_file(config, read_file(config) + verify);
  EXPECT_EQ(supervisor.command({"reload"}).status, 0);
  const Outcome restart = supervisor.command({"restart", "chat"});
  EXPECT_EQ(restart.status, 1);
  EXPECT_NE(restart.err.find(one + " was never verified"), std::string::npos) << restart.err;
  crash();
  upgrade({two}, 1);
  sign(two);
  upgrade({two});
  EXPECT_EQ(supervisor.command({"restart", "chat"}).status, 0);
}

}  // namespace
}  // namespace handoff::test
