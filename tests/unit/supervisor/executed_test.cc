// Which file a process executes, and what that makes of its release.
#include "supervisor/releases/executed.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "supervisor/releases/kept_releases.h"
#include "supervisor/releases/reopen.h"
#include "support/process/files.h"
#include "support/process/process.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

class ExecutedTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(scratch / "app/lib");
    fs::copy_file("/bin/bash", real);
    test::write_file(wrapper, "#!/bin/sh\nexec \"$(dirname \"$0\")/lib/real\" \"$@\"\n", 0755);
  }
  ReleasePtr open(const std::string& path, const std::vector<Behind>& known = {}) {
    auto release = open_release(path, {"-c"});
    EXPECT_TRUE(release);
    EXPECT_TRUE(add_files(**release, rules, known));
    return std::move(*release);
  }
  // A process that has become the program, and stops itself then.
  static std::unique_ptr<test::Process> run(const std::string& path) {
    auto process = std::make_unique<test::Process>(
        std::vector<std::string>{path, "-c", "kill -STOP $$; exit"});
    EXPECT_TRUE(process->wait_stopped());
    return process;
  }
  Executed look(const std::string& path, const Release& release) {
    const auto process = run(path);
    if (executes_its_own(process->pid(), release)) return {};
    return executed_by(process->pid(), release, rules);
  }

  test::TempDir scratch;
  std::string wrapper = scratch / "app/run";
  std::string real = scratch / "app/lib/real";
  FileRules rules{.patterns = {}, .working_dir = scratch.path()};
};

TEST_F(ExecutedTest, TheProgramBehindAWrapperIsFound) {
  const ReleasePtr release = open(wrapper);
  const Executed executed = look(wrapper, *release);
  EXPECT_EQ(executed.path, real);
  ASSERT_TRUE(executed.file);
  EXPECT_EQ(executed.file->path, real);
  const std::string before = release->digest;
  add_behind(*release, *executed.file);
  EXPECT_TRUE(release->has_behind());
  EXPECT_NE(release->digest, before);
  EXPECT_TRUE(release->untouched());
  EXPECT_EQ(look(wrapper, *release).path, "") << "it is a file of the release by now";
  EXPECT_EQ(behind_of(*release).paths, std::vector<std::string>{real});
}

TEST_F(ExecutedTest, AProgramAndAScriptsInterpreterAreNothingNew) {
  const ReleasePtr program = open(real);
  const auto process = run(real);
  EXPECT_TRUE(executes_its_own(process->pid(), *program));
  EXPECT_EQ(executed_by(process->pid(), *program, rules).path, "");
  test::write_file(wrapper, "#!" + real + "\nkill -STOP $$; exit\n", 0755);
  EXPECT_EQ(look(wrapper, *open(wrapper)).path, "");
}

TEST_F(ExecutedTest, AnotherFileOfTheSameBytesIsTheSame) {
  const ReleasePtr release = open(wrapper);
  add_behind(*release, *look(wrapper, *release).file);
  fs::copy_file(real, real + ".new");
  fs::rename(real + ".new", real);
  EXPECT_EQ(look(wrapper, *release).path, "");
}

TEST_F(ExecutedTest, WhatTheConfigurationLeavesOutIsNotTold) {
  rules.patterns = {"!app/**/real"};
  EXPECT_EQ(look(wrapper, *open(wrapper)).path, "");
  const Behind known{.program_digest = open(wrapper)->program_digest, .paths = {real}};
  EXPECT_FALSE(open(wrapper, {known})->has_behind());
}

TEST_F(ExecutedTest, ItsPathIsThatByWhichTheProgramComesToIt) {
  fs::create_directory_symlink(scratch / "app", scratch / "current");
  const ReleasePtr release = open(scratch / "current/run");
  const Executed executed = look(scratch / "current/run", *release);
  ASSERT_TRUE(executed.file);
  EXPECT_EQ(executed.file->path, scratch / "current/lib/real");
}

TEST_F(ExecutedTest, WhatHasNoPathAnyMoreIsNoFile) {
  const ReleasePtr release = open(wrapper);
  const auto process = run(wrapper);
  fs::remove(real);
  const Executed executed = executed_by(process->pid(), *release, rules);
  EXPECT_EQ(executed.path, real + " (deleted)");
  EXPECT_FALSE(executed.file);
}

TEST_F(ExecutedTest, OfAProcessThatCanNotBeLookedAtNothingIsTold) {
  const ReleasePtr release = open(wrapper);
  auto process = run(wrapper);
  const pid_t pid = process->pid();
  process->kill();
  EXPECT_TRUE(executes_its_own(pid, *release));
  EXPECT_EQ(executed_by(pid, *release, rules).path, "");
}

// ---- other releases of the same program ------------------------------------------------------

TEST_F(ExecutedTest, TheSameProgramIsAnotherReleaseWithAnotherProgramBehindIt) {
  const ReleasePtr one = open(wrapper);
  add_behind(*one, *look(wrapper, *one).file);
  const std::vector<Behind> known{behind_of(*one)};
  EXPECT_EQ(open(wrapper, known)->digest, one->digest);
  EXPECT_TRUE(open(wrapper, known)->has_behind());
  fs::copy_file("/bin/true", real + ".new");
  fs::rename(real + ".new", real);
  const ReleasePtr two = open(wrapper, known);
  EXPECT_NE(two->digest, one->digest);
  EXPECT_EQ(two->program_digest, one->program_digest);
  EXPECT_FALSE(one->untouched());
  fs::remove(real);
  EXPECT_NE(open(wrapper, known)->digest, one->digest);
  test::write_file(wrapper, "#!/bin/sh\nexec true\n", 0755);
  EXPECT_FALSE(open(wrapper, known)->has_behind()) << "another wrapper has another behind it";
}

TEST_F(ExecutedTest, WhatTurnsOutToBeAnotherHasTheOtherProgramBehindIt) {
  const ReleasePtr one = open(wrapper);
  one->name = "1.0";
  add_behind(*one, *look(wrapper, *one).file);
  const ReleaseFile other{.path = "/opt/other", .digest = "d", .mark = {}, .behind = true};
  const ReleasePtr two = release_behind(*one, "2.0", other);
  EXPECT_EQ(two->name, "2.0");
  EXPECT_EQ(behind_of(*two).paths, std::vector<std::string>{"/opt/other"});
  EXPECT_NE(two->digest, one->digest);
  EXPECT_TRUE(two->lies_at(wrapper)) << "open by itself";
  const ReleasePtr named = release_behind(*one, "2.0", std::nullopt);
  EXPECT_EQ(named->digest, one->digest);
  EXPECT_EQ(behind_of(*named).paths, std::vector<std::string>{real});
  EXPECT_EQ(one->name, "1.0");
}

// ---- its copy --------------------------------------------------------------------------------

TEST_F(ExecutedTest, ItsCopyHasBothAndRunsWhenTheProgramBehindItIsAnother) {
  fs::copy_file("/bin/true", scratch / "app/launcher");
  for (const std::string& program : {wrapper, scratch / "app/launcher"}) {
    const ReleasePtr release = open(program);
    add_behind(*release, *look(wrapper, *open(wrapper)).file);
    const std::string folder = scratch / "kept";
    const auto kept = KeptReleases(folder).keep(*release);
    ASSERT_TRUE(kept) << kept.error().message;
    const std::string bytes = test::read_file(real);
    const Reopen reopen{.saved = saved_release(*release), .kept = folder};
    const auto same = reopen_release(reopen);
    ASSERT_TRUE(same) << same.error().message;
    EXPECT_EQ((*same)->file_path, program);
    EXPECT_TRUE((*same)->has_behind());
    fs::copy_file("/bin/true", real + ".new");
    fs::rename(real + ".new", real);
    const auto copy = reopen_release(reopen);
    ASSERT_TRUE(copy) << copy.error().message;
    EXPECT_EQ((*copy)->digest, release->digest);
    EXPECT_EQ((*copy)->file_path, (*copy)->kept_root + program);
    EXPECT_EQ(test::read_file((*copy)->kept_root + real), bytes);
    test::write_file(real + ".new", bytes, 0755);
    fs::rename(real + ".new", real);
  }
}

}  // namespace
}  // namespace handoff::supervisor
