// The confined process that unpacks: it writes beneath its folder alone, and runs no program.
#include "supervisor/unpack/confine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>

#include "libhandoff/base/unique_fd.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

class ConfineTest : public testing::Test {
 protected:
  ConfineTest() { fs::create_directories(inside); }
  // Runs act in a child process that is confined; returns 0, or the errno of what failed. Without
  // Landlock confine() refuses nothing and says so: then this returns `refused`.
  int confined(const std::function<bool(bool holds)>& act, int refused = 0) const {
    const pid_t child = ::fork();
    if (child == 0) {
      const UniqueFd folder(::open(inside.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      const bool holds = confine(folder.get());
      errno = 0;
      const int error = act(holds) ? 0 : errno;
      ::_exit(!holds && error == 0 ? refused : error);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  static long landlock_version() {
    return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  }
  static bool create(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)).valid();
  }

  test::TempDir scratch;
  std::string inside = scratch / "inside";
};

TEST_F(ConfineTest, WhatUnpackingNeedsIsAllowedInTheFolder) {
  EXPECT_EQ(confined([&](bool) {
              return create(inside + "/a") && ::mkdir((inside + "/b").c_str(), 0700) == 0 &&
                     ::link((inside + "/a").c_str(), (inside + "/b/a").c_str()) == 0 &&
                     ::symlink("a", (inside + "/c").c_str()) == 0 &&
                     ::unlink((inside + "/a").c_str()) == 0;
            }),
            0);
  EXPECT_TRUE(fs::exists(inside + "/b/a"));
}

TEST_F(ConfineTest, NothingIsCreatedOrChangedOutside) {
  const std::string there = scratch / "there";
  ASSERT_TRUE(create(there));
  EXPECT_EQ(confined([&](bool) { return create(scratch / "new"); }, EACCES), EACCES);
  EXPECT_EQ(confined([&](bool) { return create(there); }, EACCES), EACCES);
  EXPECT_EQ(confined([&](bool) { return ::unlink(there.c_str()) == 0; }, EACCES), EACCES);
}

// Emptying a file is a right of its own since the third version of Landlock (Linux 6.2). An older
// kernel refuses nobody.
TEST_F(ConfineTest, NothingIsEmptiedOutside) {
  constexpr long kWithTruncate = 3;
  const bool refuses = landlock_version() >= kWithTruncate;
  const int outside = refuses ? EACCES : 0;
  const std::string there = scratch / "there";
  test::write_file(there, "precious");
  EXPECT_EQ(confined([&](bool) {
              return UniqueFd(::open(there.c_str(), O_RDONLY | O_TRUNC | O_CLOEXEC)).valid();
            }),
            outside);
  EXPECT_EQ(confined([&](bool) { return ::truncate(there.c_str(), 0) == 0; }), outside);
  EXPECT_EQ(test::read_file(there), refuses ? "precious" : "");
  test::write_file(inside + "/own", "text");
  EXPECT_EQ(confined([&](bool) { return ::truncate((inside + "/own").c_str(), 0) == 0; }), 0);
}

TEST_F(ConfineTest, NoProgramIsRun) {
  const auto run = [](bool holds) {
    const std::string command = "exit " + std::to_string(holds ? 1 : EACCES);
    return ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr) == 0;
  };
  EXPECT_EQ(confined(run), EACCES);
}

}  // namespace
}  // namespace handoff::supervisor
