// What was opened is what runs: whatever has become of the file, and whoever was killed or replaced
// meanwhile.
#include <fcntl.h>
#include <sys/stat.h>

#include "kept_fixture.h"

namespace handoff::test {
namespace {

// ---- the file is gone ----------------------------------------------------------------------

TEST_F(KeptTest, AFileThatWasMovedAwayRunsAgainUnderTheNextSupervisor) {
  start();
  fs::rename(one, supervisor.dir() / "elsewhere");
  const auto self = supervisor.command({"upgrade", "--self"});
  ASSERT_EQ(self.status, 0) << self.describe();
  crash_service();
  expect_runs(1);
  fs::remove(supervisor.dir() / "elsewhere");
  kill_both();
  supervisor.start_again();
  expect_runs(1);
  const std::string exe =
      fs::read_symlink("/proc/" + std::to_string(supervisor.service_pid()) + "/exe");
  EXPECT_EQ(exe, kept() + "/" + ids().at(0) + "/root" + one);
  EXPECT_TRUE(
      supervisor.says("is not there any more as it was opened: the copy that was kept runs"))
      << supervisor.log();
}

TEST_F(KeptTest, AFileThatWasReplacedIsNotRunByACrash) {
  start();
  put(2, supervisor.dir() / "new");
  fs::rename(supervisor.dir() / "new", one);
  ASSERT_EQ(supervisor.command({"upgrade", "--self"}).status, 0);
  const json after = crash_service();
  expect_runs(1);
  EXPECT_EQ(after.at("standing"), "permanent");
  EXPECT_EQ(after.at("drift"), true);
  kill_both();
  supervisor.start_again();
  expect_runs(1);
  // Somebody says otherwise.
  ASSERT_EQ(supervisor.upgrade("", {}).status, 0);
}

// ---- the supervisor's own file -------------------------------------------------------------

TEST_F(KeptTest, ItsOwnUpgradeFollowsThePathByWhichItWasStarted) {
  put(1, one);
  const std::string link = supervisor.dir() / "current";
  for (const char* version : {"handoff-a", "handoff-b"}) {
    fs::copy_file(program("handoff"), supervisor.dir() / version);
  }
  fs::copy_file(program("handoff-unpack"), supervisor.dir() / "handoff-unpack");
  fs::create_symlink("handoff-a", link);
  supervisor.start(
      {.command = {one}, .wrapper = {"/bin/bash", "-c", "exec " + link + " \"${@:2}\"", "bash"}});
  const std::string exe = "/proc/" + std::to_string(supervisor.pid()) + "/exe";
  ASSERT_EQ(fs::read_symlink(exe), supervisor.dir() / "handoff-a");
  fs::create_symlink("handoff-b", link + ".new");
  fs::rename(link + ".new", link);
  const auto self = supervisor.command({"upgrade", "--self"});
  ASSERT_EQ(self.status, 0) << self.describe();
  EXPECT_EQ(fs::read_symlink(exe), supervisor.dir() / "handoff-b");
  // And again, after the file behind it was replaced.
  fs::copy_file(program("handoff"), supervisor.dir() / "handoff-c");
  fs::rename(supervisor.dir() / "handoff-c", supervisor.dir() / "handoff-b");
  ASSERT_EQ(supervisor.command({"upgrade", "--self"}).status, 0);
  EXPECT_EQ(fs::read_symlink(exe), supervisor.dir() / "handoff-b");
}

// ---- the file was written to ---------------------------------------------------------------

TEST_F(KeptTest, AFileThatWasOverwrittenInPlaceIsNotWhatARollbackRuns) {
  start();
  ASSERT_EQ(supervisor.upgrade(two, {}).status, 0);
  wait_until_kept();
  supervisor.settle();
  overwrite(2, one);
  const auto back = supervisor.command({"rollback", "echo"});
  ASSERT_EQ(back.status, 0) << back.describe();
  expect_runs(1);
}

TEST_F(KeptTest, NorWhatACrashRuns) {
  start();
  const int port = supervisor.port();
  ASSERT_EQ(supervisor.command({"stop", "echo"}).status, 0);
  overwrite(2, one);
  ASSERT_EQ(supervisor.command({"restart", "echo"}).status, 0);
  crash_service();
  expect_runs(1);
  EXPECT_EQ(supervisor.port(), port);
}

// Its bytes are the same: it is the file that was opened, also under its own name.
TEST_F(KeptTest, AFileThatWasOnlyTouchedIsStillTheFile) {
  start();
  fs::last_write_time(one, fs::file_time_type::clock::now());
  ASSERT_EQ(::chmod(one.c_str(), 0711), 0);
  crash_service();
  expect_runs(1);
  EXPECT_EQ(fs::read_symlink("/proc/" + std::to_string(supervisor.service_pid()) + "/exe"), one);
}

// ---- another path --------------------------------------------------------------------------

TEST_F(KeptTest, AReleaseThatWasCommittedIsWhatACrashRunsUnderTheNextSupervisor) {
  start();
  ASSERT_EQ(supervisor.upgrade(two, {}).status, 0);
  ASSERT_EQ(supervisor.command({"commit", "echo"}).status, 0);
  wait_until_kept();
  fs::remove(two);
  ASSERT_EQ(supervisor.command({"upgrade", "--self"}).status, 0);
  crash_service();
  expect_runs(2);
  supervisor.kill();
  supervisor.start_again();
  crash_service();
  expect_runs(2);
  kill_both();
  supervisor.start_again();
  expect_runs(2);
  EXPECT_EQ(supervisor.status().at("back").at("release"), "1.0");
}

TEST_F(KeptTest, AProbationAndTheReleaseToGoBackToSurviveTheNextSupervisorWhateverBecomesOfFiles) {
  start();
  ASSERT_EQ(supervisor.upgrade(two, {}, {"--probation", "1h"}).status, 0);
  wait_until_kept();
  fs::remove(one);
  fs::remove(two);
  ASSERT_EQ(supervisor.command({"upgrade", "--self"}).status, 0);
  const json self = supervisor.status();
  EXPECT_EQ(self.at("standing"), "provisional");
  EXPECT_EQ(self.at("back").at("release"), "1.0");
  supervisor.kill();
  supervisor.start_again();
  const json next = supervisor.status();
  EXPECT_EQ(next.at("standing"), "provisional");
  EXPECT_GT(next.at("probation_left_ms"), 3500 * 1000);
  EXPECT_EQ(next.at("back").at("release"), "1.0");
  kill_service();
  supervisor.wait_for_status(
      [](const json& now) { return now.at("state") == "running" && now.at("release") == "1.0"; });
  EXPECT_EQ(supervisor.status().at("standing"), "permanent");
}

// ---- the copies ----------------------------------------------------------------------------

TEST_F(KeptTest, OnlyTheLastFiveStayAndWhatIsReferenced) {
  start();
  const std::string path = supervisor.dir() / "build";
  const auto upgrade_to = [&](int build) {
    fs::remove(path);
    put(build % 2 + 1, path);
    std::ofstream(path, std::ios::app) << build;
    ASSERT_EQ(supervisor.upgrade(path, {}, {"--probation", "1h"}).status, 0);
    wait_until_kept();
  };
  for (int build = 0; build < 7; ++build) ASSERT_NO_FATAL_FAILURE(upgrade_to(build));
  fs::create_directory(kept() + "/mine");
  write_file(kept() + "/mine/file", "text");
  // The first one is what all of them go back to.
  EXPECT_TRUE(supervisor.eventually([&] { return ids().size() == 7; })) << ids().size();
  ASSERT_EQ(supervisor.command({"commit", "echo"}).status, 0);
  ASSERT_NO_FATAL_FAILURE(upgrade_to(7));
  EXPECT_TRUE(supervisor.eventually([&] { return ids().size() == 6; })) << ids().size();
  EXPECT_EQ(read_file(kept() + "/mine/file"), "text");
}

TEST_F(KeptTest, ACopyHasTheModeOfItsFile) {
  start();
  const fs::path copy = kept() + "/" + ids().at(0) + "/root" + one;
  EXPECT_EQ(fs::status(copy).permissions(), fs::status(one).permissions());
  EXPECT_EQ(read_file(copy), read_file(one));
  const json description = json::parse(read_file(kept() + "/" + ids().at(0) + "/release.json"));
  EXPECT_EQ(description.at("release"), "1.0");
  EXPECT_EQ(description.at("source"), one);
  EXPECT_EQ(description.at("digest"), supervisor.status().at("digest"));
}

// A service that changes its user opens its files after that.
TEST_F(KeptTest, ACopyIsReachedByThoseWhoReachTheFile) {
  ASSERT_EQ(::geteuid(), 0U) << "only root has services of another user";
  constexpr uid_t kOther = 65534;
  const std::string folder = supervisor.dir() / "own";
  fs::create_directories(folder);
  one = folder + "/echo";
  put(1, one);
  ASSERT_EQ(::chown(folder.c_str(), kOther, kOther), 0);
  ASSERT_EQ(::chown(one.c_str(), kOther, kOther), 0);
  ASSERT_EQ(::chmod(folder.c_str(), 0770), 0);
  ASSERT_EQ(::chmod(one.c_str(), 0700), 0);
  supervisor.start({.command = {one}});
  wait_until_kept();
  const std::string root = kept() + "/" + ids().at(0) + "/root";
  struct stat info {};
  ASSERT_EQ(::stat((root + folder).c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, kOther);
  EXPECT_EQ(info.st_mode & 07777, 0750U) << "nobody but the owner may write to it";
  ASSERT_EQ(::stat((root + one).c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, kOther);
  EXPECT_EQ(info.st_mode & 07777, 0700U);
  ASSERT_EQ(::stat(root.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0755U);
  ASSERT_EQ(::stat((kept() + "/" + ids().at(0)).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0755U);
}

TEST_F(KeptTest, ASetuidFileIsNotCopiedAndThatIsTold) {
  put(1, one);
  ASSERT_EQ(::chmod(one.c_str(), 04755), 0);
  supervisor.start({.command = {one}});
  supervisor.wait_for_status([](const json& now) { return now.at("kept") == false; });
  EXPECT_TRUE(supervisor.says("is setuid or setgid")) << supervisor.log();
  EXPECT_EQ(ids().size(), 0U);
  // Another file is not run in its place, either.
  const json before = supervisor.status();
  fs::remove(one);
  put(2, one);
  kill_both();
  supervisor.run({"--name", "echo", "--listen", "public=tcp:127.0.0.1:0", "--", one});
  supervisor.wait_for_state("backoff");
  EXPECT_TRUE(supervisor.says("is not the file any more that was opened, and there is no copy"));
  EXPECT_TRUE(supervisor.eventually([&] {
    return supervisor.command({"upgrade", "echo"}).status == 0;
  })) << "somebody says otherwise";
}

TEST_F(KeptTest, ACopyThatSomebodyHasChangedIsNotRun) {
  start();
  const std::string copy = kept() + "/" + ids().at(0) + "/root" + one;
  kill_both();  // one that lives keeps it again
  overwrite(2, copy);
  fs::remove(one);
  supervisor.run({"--name", "echo", "--listen", "public=tcp:127.0.0.1:0", "--", one});
  supervisor.wait_for_state("backoff");
  EXPECT_TRUE(supervisor.says("is not any more what was kept")) << supervisor.log();
  put(1, one);
  supervisor.wait_for_state("running");
}

// ---- the folder is cleaned up under a supervisor -------------------------------------------

TEST_F(KeptTest, WhatSomebodyRemovesIsKeptAgainByTheNextStatus) {
  start();
  const std::string copy = "/" + ids().at(0) + "/root" + one;
  for (const std::string what : {"", "/choice.json", copy.c_str()}) {
    SCOPED_TRACE(what);
    ASSERT_GT(fs::remove_all(kept() + what), 0U);
    wait_until_kept();
    EXPECT_TRUE(fs::exists(kept() + "/choice.json"));
    EXPECT_TRUE(read_file(kept() + copy) == read_file(one));
    EXPECT_TRUE(supervisor.says(what + " is not there any more as it was kept"))
        << supervisor.log();
  }
  overwrite(2, kept() + copy);
  wait_until_kept();
  EXPECT_TRUE(read_file(kept() + copy) == read_file(one));
}

TEST_F(KeptTest, AndByAnythingThatHappensToTheService) {
  start();
  ASSERT_EQ(supervisor.upgrade(two).status, 0);
  wait_until_kept();
  const UniqueFd service = hold(supervisor.service_pid());
  fs::remove_all(fs::path(kept()).parent_path());
  kill_and_wait(service);  // on probation: the one before comes back
  EXPECT_TRUE(supervisor.eventually([&] {
    return fs::exists(kept() + "/choice.json") && !ids().empty();
  })) << supervisor.log();
  expect_runs(1);
}

TEST_F(KeptTest, WhatCanNotBeKeptAgainIsNotSaidToBeKept) {
  start();
  fs::remove_all(fs::path(kept()).parent_path());
  write_file(fs::path(kept()).parent_path(), "somebody else's");
  supervisor.wait_for_status([](const json& now) { return now.at("kept") == false; });
  EXPECT_TRUE(supervisor.says("no copy of " + one + " is kept")) << supervisor.log();
}

TEST_F(KeptTest, AFolderThatCanNotBeMadeStopsNoService) {
  put(1, one);
  fs::create_directory(supervisor.dir() / "state");
  write_file(supervisor.dir() / "state/kept", "somebody else's");
  supervisor.start(
      {.command = {one}, .environment = {{"HANDOFF_STATE_DIR", supervisor.dir() / "state"}}});
  supervisor.wait_for_status([](const json& now) { return now.at("kept") == false; });
  EXPECT_TRUE(supervisor.says("no copy of " + one + " is kept")) << supervisor.log();
  crash_service();
  expect_runs(1);
}

}  // namespace
}  // namespace handoff::test
