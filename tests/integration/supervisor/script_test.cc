// A release is its command line and its files: of a script and of what an interpreter runs, what
// was opened is what runs, too.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class ScriptTest : public SupervisorTest {
 protected:
  // What a dead supervisor leaves is ours to reap: a zombie's fds are closed, but it is there.
  static void SetUpTestSuite() { ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }

  // A service that answers to a connection with that, and says that it is that release.
  static std::string serves(const std::string& release, const std::string& answer) {
    return "exec " + fake_service() + " --release " + release + " --answer \"" + answer + "\"\n";
  }
  void start(const std::vector<std::string>& command, const std::string& more = "") {
    fs::create_directories(lib);
    supervisor.start({.command = command,
                      .name = "chat",
                      .config = "working_dir = \"" + supervisor.dir().path() + "\"\n" + more});
    wait_until_kept();
  }
  void wait_until_kept() {
    supervisor.wait_for_status([](const json& now) { return now.at("kept") == true; });
  }
  json crash() {
    const json before = supervisor.status();
    kill_and_wait(hold(supervisor.service_pid()));
    return supervisor.wait_for_status([&](const json& now) {
      return now.at("state") == "running" && now.at("generation") != before.at("generation");
    });
  }
  // As an editor does: into the very file.
  static void edit(const std::string& path, const std::string& text) {
    write_file(path, text, fs::exists(path) ? 0755 : 0644);
  }
  bool drifts() {
    return supervisor.eventually([&] { return supervisor.status().at("drift") == true; });
  }
  std::string root() const {
    for (const auto& entry : fs::directory_iterator(supervisor.runtime() + "/kept/chat")) {
      if (entry.is_directory()) return entry.path().native() + "/root";
    }
    return "";
  }

  std::string main = supervisor.dir() / "main.sh";
  std::string lib = supervisor.dir() / "lib";
};

TEST_F(ScriptTest, AScriptThatWasEditedIsNotWhatACrashRuns) {
  edit(main, serves("1.0", "one $0"));
  start({"/bin/sh", "main.sh"});
  EXPECT_EQ(ask_service(supervisor), "one main.sh");
  const json before = supervisor.status();
  edit(main, serves("2.0", "two"));
  EXPECT_TRUE(drifts());
  const Outcome people = supervisor.command({"status"});
  EXPECT_NE(people.out.find("\n* " + main + " is not any more what chat runs"), std::string::npos)
      << people.out;
  crash();
  EXPECT_EQ(ask_service(supervisor), "one " + root() + main);
  EXPECT_EQ(supervisor.status().at("release"), "1.0");
  EXPECT_EQ(supervisor.status().at("digest"), before.at("digest"));
  // And by the next supervisor.
  supervisor.kill();
  kill_and_wait(hold(before.at("pid")));
  supervisor.start_again();
  EXPECT_EQ(ask_service(supervisor), "one " + root() + main);
}

TEST_F(ScriptTest, AnEditedScriptIsANewReleaseAndARollbackRunsTheOldOne) {
  edit(main, serves("1.0", "one"));
  start({"/bin/sh", "main.sh"});
  const json before = supervisor.status();
  edit(main, serves("2.0", "two"));
  ASSERT_EQ(supervisor.upgrade_with({"main.sh"}).status, 0);
  const json upgraded = supervisor.status();
  EXPECT_EQ(upgraded.at("standing"), "provisional");
  EXPECT_NE(upgraded.at("digest"), before.at("digest"));
  EXPECT_EQ(upgraded.at("back").at("digest"), before.at("digest"));
  EXPECT_EQ(ask_service(supervisor), "two");
  const auto back = supervisor.command({"rollback", "chat"});
  ASSERT_EQ(back.status, 0) << back.describe();
  EXPECT_EQ(ask_service(supervisor), "one");
  EXPECT_EQ(supervisor.status().at("release"), "1.0");
}

TEST_F(ScriptTest, TheFilesThatTheConfigurationNamesArePartOfIt) {
  fs::create_directories(lib + "/deep/er");
  edit(lib + "/deep/er/answer.sh", "answer=one\n");
  edit(lib + "/left_out.sh", "");
  edit(main, ". \"$(dirname \"$0\")/lib/deep/er/answer.sh\"\n" + serves("1.0", "$answer"));
  start({"/bin/sh", main}, "files = [\"lib/**/*.sh\", \"!lib/left_*\"]\n");
  EXPECT_EQ(ask_service(supervisor), "one");
  edit(lib + "/left_out.sh", "changed\n");
  EXPECT_EQ(supervisor.status().at("drift"), false);
  edit(lib + "/deep/er/answer.sh", "answer=two\n");
  EXPECT_TRUE(drifts());
  crash();
  EXPECT_EQ(ask_service(supervisor), "one") << "the main script runs from where the others are";
  ASSERT_EQ(supervisor.upgrade_with({main}).status, 0);
  EXPECT_EQ(ask_service(supervisor), "two");
  EXPECT_EQ(supervisor.status().at("standing"), "provisional");
}

TEST_F(ScriptTest, IsExecutedByItsPathAsLongAsThatIsTheFile) {
  write_file(main, "#!/bin/sh\n" + serves("1.0", "one $0"), 0755);
  start({main});
  EXPECT_EQ(ask_service(supervisor), "one " + main);
  crash();
  EXPECT_EQ(ask_service(supervisor), "one " + main);
  write_file(main + ".new", "#!/bin/sh\n" + serves("2.0", "two $0"), 0755);
  fs::rename(main + ".new", main);
  crash();
  EXPECT_EQ(ask_service(supervisor), "one " + root() + main);
  ASSERT_EQ(supervisor.upgrade(main, {}).status, 0);
  EXPECT_EQ(ask_service(supervisor), "two " + main);
}

TEST_F(ScriptTest, ItsInterpreterIsPartOfIt) {
  const std::string shell = supervisor.dir() / "shell";
  fs::copy_file("/bin/sh", shell);
  write_file(main, "#!" + shell + "\n" + serves("1.0", "one $0"), 0755);
  start({main});
  EXPECT_EQ(ask_service(supervisor), "one " + main);
  fs::copy_file("/bin/false", shell + ".new");
  fs::rename(shell + ".new", shell);
  EXPECT_TRUE(drifts());
  crash();
  EXPECT_EQ(ask_service(supervisor), "one " + root() + main);
}

TEST_F(ScriptTest, AProgramThatIsNoInterpreterMayHaveAnyFileAsArgument) {
  const std::string data = supervisor.dir() / "data";
  write_file(data, "1");
  supervisor.start(fake({"--answer", data}));
  const json before = supervisor.status();
  write_file(data, "2");
  EXPECT_EQ(supervisor.status().at("drift"), false);
  EXPECT_EQ(supervisor.status().at("digest"), before.at("digest"));
}

// A service that ran on a copy of its data would write into that.
TEST_F(ScriptTest, AFileThatSomebodyWritesToIsNotCopied) {
  const std::string data = supervisor.dir() / "data";
  edit(main, serves("1.0", "one"));
  std::ofstream writer(data);
  writer << "1" << std::flush;
  supervisor.start({.command = {"/bin/sh", main, data}, .name = "chat"});
  supervisor.wait_for_status([](const json& now) { return now.at("kept") == false; });
  EXPECT_TRUE(supervisor.says(data + " is open for writing")) << supervisor.log();
  writer << "2" << std::flush;
  kill_and_wait(hold(supervisor.service_pid()));
  supervisor.wait_for_state("backoff");
  EXPECT_TRUE(supervisor.says(data + " is not the file any more that was opened"));
  EXPECT_TRUE(supervisor.says("files = [\"!" + data + "\"]")) << supervisor.log();
}

TEST_F(ScriptTest, IsWatched) {
  edit(main, serves("1.0", "one"));
  fs::create_directories(lib);
  supervisor.start({.command = {"/bin/sh", "main.sh"},
                    .name = "chat",
                    .run_flags = {"--watch", "--settle", "50ms"},
                    .config = "working_dir = \"" + supervisor.dir().path() + "\"\n"});
  EXPECT_TRUE(supervisor.says("watching " + main));
  edit(main, serves("2.0", "two"));
  supervisor.wait_for_status(
      [](const json& now) { return now.at("state") == "running" && now.at("release") == "2.0"; });
  EXPECT_EQ(ask_service(supervisor), "two");
}

}  // namespace
}  // namespace handoff::test
