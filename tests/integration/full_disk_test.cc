// A full disk. With history = "required" no upgrade begins if the history can't be written, since
// nobody could say later what was done; else what happens is told later. None begins if the runtime
// folder can't be written, since the next supervisor would not know of it. Neither touches the
// service.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/process/small_disk.h"
#include "support/supervisor/footprint.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
namespace fs = std::filesystem;

std::string echo(int version) { return program("handoff-echo-" + std::to_string(version)); }

class FullDiskTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(::geteuid(), 0u) << "only root can mount a small disk";
    SmallDisk::keep_to_this_process();
  }

  void start(Environment environment) {
    supervisor_.emplace(
        Supervisor::Options{.command = {echo(1)}, .environment = std::move(environment)});
    client_.emplace(supervisor_->port());
  }
  void start_with_history_required(Environment environment) {
    const std::string config = elsewhere_ / "handoff.toml";
    write_file(config, "history = \"required\"\n[service.echo]\ncommand = [\"" + echo(1) +
                           "\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n");
    supervisor_.emplace(Supervisor::Options{.environment = std::move(environment), .file = config});
    client_.emplace(supervisor_->port());
  }
  std::vector<std::string> events() const {
    std::vector<std::string> out;
    for (const json& record : supervisor_->history()) {
      const std::string event = record.at("event");
      if (event != "requested" && event != "padding") out.push_back(event);
    }
    return out;
  }
  // The one session that there is.
  void expect_served(int version) {
    client_->say("hello");
    EXPECT_EQ(client_->next(), std::to_string(++lines_) + " " + std::to_string(version) + " hello");
  }

  SmallDisk disk_;
  TempDir elsewhere_;
  std::optional<Supervisor> supervisor_;
  std::optional<LineClient> client_;
  int lines_ = 0;
};

TEST_F(FullDiskTest, WithoutRoomForItsRecordAnUpgradeIsRefusedBeforeItBegins) {
  start_with_history_required({{"HANDOFF_STATE_DIR", disk_.path()}});
  expect_served(1);
  const Footprint before(*supervisor_);
  const std::string history = disk_.path() + "/history.jsonl";
  pad_to_page(history);
  disk_.fill();
  const auto size = fs::file_size(history);
  const auto upgrade = supervisor_->upgrade(echo(2));
  expect_failed(upgrade, "history",
                {history, "No space left on device", "nothing was begun", "HANDOFF_STATE_DIR"});
  EXPECT_EQ(upgrade.events().size(), 1u) << "nothing but the refusal: " << upgrade.describe();
  EXPECT_EQ(fs::file_size(history), size) << "nor half a record";
  expect_failed(supervisor_->plan(echo(2)), "history", {history, "No space left on device"});
  EXPECT_EQ(fs::file_size(history), size) << "a plan knows it, too";
  before.expect_unchanged();
  expect_served(1);

  disk_.make_room();
  EXPECT_EQ(supervisor_->upgrade(echo(2)).status, 0);
  expect_served(2);
  const auto records = supervisor_->history();
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(records.back().value("result", ""), "done") << records.back();
}

TEST_F(FullDiskTest, GoingBackStoppingAndStartingNeverDependOnTheHistory) {
  start_with_history_required({{"HANDOFF_STATE_DIR", disk_.path()}});
  ASSERT_EQ(supervisor_->upgrade(echo(2)).status, 0);
  supervisor_->settle();
  pad_to_page(disk_.path() + "/history.jsonl");
  disk_.fill();
  const auto back = supervisor_->command({"rollback", "echo"});
  EXPECT_EQ(back.status, 0) << back.describe();
  EXPECT_EQ(supervisor_->status().at("release"), "1.0");
  EXPECT_EQ(supervisor_->command({"stop", "echo"}).status, 0);
  const auto started = supervisor_->command({"restart", "echo"});
  EXPECT_EQ(started.status, 0) << started.describe();
  EXPECT_EQ(supervisor_->status().at("state"), "running");
}

TEST_F(FullDiskTest, WhatHappensMeanwhileIsToldAtOnceAndWrittenWhenThereIsRoom) {
  start({{"HANDOFF_STATE_DIR", disk_.path()}});
  const std::string history = disk_.path() + "/history.jsonl";
  supervisor_->settle();
  ASSERT_EQ(supervisor_->command({"commit", "echo"}).status, 0);
  if (fs::exists(history)) pad_to_page(history);
  disk_.fill();
  const auto upgrade = supervisor_->upgrade(echo(2));
  EXPECT_EQ(upgrade.status, 0) << upgrade.describe();
  expect_served(2);
  ASSERT_EQ(supervisor_->command({"rollback", "echo"}).status, 0);
  ASSERT_EQ(supervisor_->command({"stop", "echo"}).status, 0);
  ASSERT_EQ(supervisor_->command({"restart", "echo"}).status, 0);
  const std::vector<std::string> all{"upgrade", "upgrade", "stop", "start"};
  EXPECT_EQ(events(), all) << "the supervisor tells what is not on the disk";
  EXPECT_TRUE(supervisor_->says("can be")) << "loudly";
  const auto status = supervisor_->command({"status", "--json"});
  EXPECT_TRUE(status.events().at(0).at("history").at("problem").is_string()) << status.out;
  const auto doctor = supervisor_->command({"doctor"});
  EXPECT_EQ(doctor.status, 1);
  EXPECT_NE(doctor.out.find(history), std::string::npos) << doctor.out;
  // A supervisor that dies now leaves them to the next one.
  supervisor_->kill();
  disk_.make_room();
  supervisor_->start_again();
  EXPECT_TRUE(supervisor_->eventually([&] {
    return supervisor_->command({"status", "--json"}).events().at(0).at("history").at("waiting") ==
           0;
  }));
  supervisor_->kill();
  const auto read = supervisor_->command({"history", "--json"});
  EXPECT_NE(read.err.find("read from " + history), std::string::npos) << read.err;
  EXPECT_EQ(events(), all);
}

TEST_F(FullDiskTest, ABundleThatDoesNotFitLeavesNothing) {
  start({{"HANDOFF_STATE_DIR", disk_.path()}});
  expect_served(1);
  const Footprint before(*supervisor_);
  const std::string folder = elsewhere_ / "pack";
  fs::create_directories(folder);
  write_file(folder + "/release.toml", "name = \"echo\"\nversion = \"2\"\nprogram = \"echo\"\n");
  fs::copy_file(echo(2), folder + "/echo");
  const std::string bundle = elsewhere_ / "bundle.tar";
  shell("tar -C " + folder + " -cf " + bundle + " .");
  const auto upgrade = supervisor_->upgrade(bundle);
  expect_failed(upgrade, "resources", {bundle, "unpacking", "No space left on device"});
  EXPECT_TRUE(fs::is_empty(disk_.path() + "/releases/echo"));
  before.expect_unchanged();
  expect_served(1);
}

// A supervisor that does not change any more would else never say what it knows.
TEST_F(FullDiskTest, WhatWasChosenIsWrittenWhenThereIsRoom) {
  start({{"HANDOFF_STATE_DIR", disk_.path()}});
  const std::string path = disk_.path() + "/kept/echo/choice.json";
  const auto stopped = [&] { return json::parse(read_file(path)).at("stopped") == true; };
  supervisor_->settle();
  disk_.fill();
  ASSERT_EQ(supervisor_->command({"stop", "echo"}).status, 0);
  ASSERT_TRUE(supervisor_->says("what was chosen can't be kept")) << supervisor_->log();
  EXPECT_FALSE(stopped());
  disk_.make_room();
  EXPECT_TRUE(supervisor_->eventually(stopped));
}

class FullRuntimeFolderTest : public FullDiskTest {
 protected:
  // The service crashes, and the supervisor starts it again, even if it can't write the state.
  void crash_and_expect_restart(int generation) {
    const int port = supervisor_->port();
    kill_and_wait(hold(supervisor_->service_pid()));
    supervisor_->wait_for_status([&](const json& now) {
      return now.at("state") == "running" && now.at("generation") == generation;
    });
    EXPECT_EQ(supervisor_->port(), port);
    client_.emplace(port);
    lines_ = 0;
  }
};

TEST_F(FullRuntimeFolderTest, NoUpgradeBeginsThatNobodyWouldRememberAndTheServiceGoesOn) {
  start({{"HANDOFF_RUNTIME_DIR", disk_.path() + "/run"}, {"HANDOFF_STATE_DIR", elsewhere_.path()}});
  expect_served(1);
  disk_.fill();
  const Footprint before(*supervisor_);
  expect_failed(supervisor_->upgrade(echo(2)), "resources",
                {"state.json", "No space left on device", "make room"});
  before.expect_unchanged();
  expect_served(1);
  crash_and_expect_restart(3);
  expect_served(1);
  disk_.make_room();
  EXPECT_EQ(supervisor_->upgrade(echo(2)).status, 0);
  expect_served(2);
}

TEST_F(FullRuntimeFolderTest, TheNextSupervisorFindsItsServicesAllTheSame) {
  start({{"HANDOFF_RUNTIME_DIR", disk_.path() + "/run"}, {"HANDOFF_STATE_DIR", elsewhere_.path()}});
  disk_.fill();
  crash_and_expect_restart(2);  // and the file says nothing of it
  const pid_t pid = supervisor_->service_pid();
  supervisor_->kill();
  supervisor_->start_again();
  EXPECT_EQ(supervisor_->service_pid(), pid);
  expect_served(1);
}

TEST_F(FullRuntimeFolderTest, UpgradeSelfHandsTheStateOverThatTheFileHasNoRoomFor) {
  start({{"HANDOFF_RUNTIME_DIR", disk_.path() + "/run"}, {"HANDOFF_STATE_DIR", elsewhere_.path()}});
  disk_.fill();
  crash_and_expect_restart(2);
  ASSERT_EQ(supervisor_->command({"stop", "echo"}).status, 0);  // the file has it running
  const Outcome self = supervisor_->command({"upgrade", "--self"});
  EXPECT_EQ(self.status, 0) << self.describe();
  EXPECT_EQ(supervisor_->status().at("state"), "stopped");
  EXPECT_EQ(supervisor_->command({"restart", "echo"}).status, 0);
  EXPECT_EQ(supervisor_->status().at("generation"), 3);
}

TEST_F(FullRuntimeFolderTest, WhatTheStateFileHadNoRoomForIsInItWhenThereIsSome) {
  start({{"HANDOFF_RUNTIME_DIR", disk_.path() + "/run"}, {"HANDOFF_STATE_DIR", elsewhere_.path()}});
  ASSERT_EQ(supervisor_->upgrade(echo(2), {}, {"--probation", "1h"}).status, 0);
  supervisor_->settle();
  const auto provisional = [&] {
    const json state = json::parse(read_file(disk_.path() + "/run/state.json"));
    return state.at("services").at(0).at("probation").at("provisional") == true;
  };
  disk_.fill();
  ASSERT_EQ(supervisor_->command({"commit", "echo"}).status, 0);
  EXPECT_TRUE(provisional());
  disk_.make_room();
  EXPECT_TRUE(supervisor_->eventually([&] { return !provisional(); }));
}

// Not a file goes there: no lock, no sockets, no state.
TEST_F(FullRuntimeFolderTest, WithoutRoomForItsSocketsASupervisorRunsAndBindsThemLater) {
  SmallDisk no_files("nr_inodes=1");
  supervisor_.emplace();
  supervisor_->run(
      {"--name", "echo", "--listen", "public=tcp:127.0.0.1:0", "--", echo(1)},
      {{"HANDOFF_RUNTIME_DIR", no_files.path()}, {"HANDOFF_STATE_DIR", elsewhere_.path()}});
  ASSERT_TRUE(supervisor_->says("echo: running: generation 1"));
  EXPECT_EQ(supervisor_->command({"status"}).status, 3);
  // A second supervisor is refused there.
  EXPECT_EQ(supervisor_->command({"run", "--name", "echo", "--", echo(1)}).status, 1);
  no_files.remount("nr_inodes=100");
  ASSERT_TRUE(supervisor_->says("made anew"));
  EXPECT_EQ(supervisor_->status().at("state"), "running");
  EXPECT_EQ(supervisor_->upgrade(echo(2)).status, 0);
}

TEST_F(FullRuntimeFolderTest, NorWhereTheFileCanNotBeWrittenForAnyOtherReason) {
  start({{"HANDOFF_FAILPOINT", "supervisor.save.before@1+=error:ENOSPC"}});
  expect_served(1);
  const Footprint before(*supervisor_);
  expect_failed(supervisor_->upgrade(echo(2)), "resources", {"state.json", "make room"});
  before.expect_unchanged();
  expect_served(1);
  crash_and_expect_restart(3);
  expect_served(1);
}

}  // namespace
}  // namespace handoff::test
