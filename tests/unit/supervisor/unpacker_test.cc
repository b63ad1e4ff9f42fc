// The process that unpacks, as the supervisor sees it: its reports, and its death. unpack_test.cc
// tests what comes out of an archive.
#include "supervisor/releases/unpacker.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "tar.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;
using test::Tar;

class UnpackerTest : public testing::Test {
 protected:
  UnpackerTest() { fs::create_directories(into); }

  UniqueFd archive(const std::string& text = "hello") {
    Tar(at).file("a", text).close();
    return UniqueFd(::open(at.c_str(), O_RDONLY | O_CLOEXEC));
  }
  UniqueFd folder() const {
    return UniqueFd(::open(into.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  static UniqueFd program(const char* path) { return UniqueFd(::open(path, O_RDONLY | O_CLOEXEC)); }
  static std::size_t open_fds() {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
  }
  // All child processes, zombies included.
  static std::vector<pid_t> children() {
    std::vector<pid_t> out;
    for (const auto& thread : fs::directory_iterator("/proc/self/task")) {
      std::ifstream list(thread.path() / "children");
      for (pid_t child = 0; list >> child;) out.push_back(child);
    }
    return out;
  }

  test::TempDir scratch;
  std::string into = scratch / "into";
  std::string at = scratch / "a.tar";
  const std::vector<pid_t> before = children();
};

TEST_F(UnpackerTest, WhatIsInTheArchiveComesOutAndNothingElseIsLeft) {
  const UniqueFd from = archive();
  const UniqueFd to = folder();
  ASSERT_TRUE(hold_unpacker());
  const std::size_t fds = open_fds();
  const auto done = unpack_bundle(from.get(), to.get(), {});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(test::read_file(into + "/a"), "hello");
  EXPECT_EQ(open_fds(), fds);
  EXPECT_EQ(children(), before);
}

TEST_F(UnpackerTest, ModesAreThoseOfAReleaseWhateverTheUmaskIs) {
  const auto mode = [this](const std::string& name) {
    struct stat info {};
    EXPECT_EQ(::lstat((into + "/" + name).c_str(), &info), 0) << name;
    return info.st_mode & 07777;
  };
  for (const mode_t mask : {0U, 077U}) {
    fs::remove_all(into);
    fs::create_directories(into);
    Tar(at).file("bin/chat", "program", 0700).file("lib/text", "", 0666).close();
    const UniqueFd from(::open(at.c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd to = folder();
    const mode_t own = ::umask(mask);
    const auto done = unpack_bundle(from.get(), to.get(), {});
    ::umask(own);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(mode("bin/chat"), 0755U) << mask;
    EXPECT_EQ(mode("lib/text"), 0644U) << mask;
    EXPECT_EQ(mode("lib"), 0755U) << mask;
  }
}

TEST_F(UnpackerTest, AnErrorComesWithItsCodeAndItsWords) {
  const UniqueFd from = archive();
  const UniqueFd to = folder();
  const auto done = unpack_bundle(from.get(), to.get(), {.bytes = 4});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, -EBADMSG);
  EXPECT_EQ(done.error().message, "it is not unpacked: it unpacks to more than 4 bytes");
  EXPECT_TRUE(fs::is_empty(into));
  EXPECT_EQ(children(), before);
}

TEST_F(UnpackerTest, TheLimitsThatItIsGivenAreThoseThatCount) {
  Tar(at).file("a", "").file("b", "").close();
  const UniqueFd from(::open(at.c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd to = folder();
  const auto entries = unpack_bundle(from.get(), to.get(), {.entries = 1});
  EXPECT_EQ(entries.error().message, "it is not unpacked: it has more than 1 files");
  Tar(at).file("long", "").close();
  const UniqueFd other(::open(at.c_str(), O_RDONLY | O_CLOEXEC));
  const auto path = unpack_bundle(other.get(), to.get(), {.path = 3});
  EXPECT_EQ(path.error().message, "it is not unpacked: a path of it is too long");
}

TEST_F(UnpackerTest, OneThatSaysNothingHasUnpackedNothing) {
  const UniqueFd from = archive();
  const UniqueFd to = folder();
  const auto done = unpack_bundle_with(program("/bin/true").get(), from.get(), to.get(), {});
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("handoff-unpack died"), std::string::npos)
      << done.error().message;
  EXPECT_EQ(children(), before);
}

TEST_F(UnpackerTest, OneThatIsKilledIsAnError) {
  const UniqueFd from = archive();
  const UniqueFd to = folder();
  // sleep(1) runs in place of the unpacker. It takes the limits for seconds, so it sleeps for long.
  std::string why;
  std::atomic<bool> over = false;
  std::thread waits([&] {
    const auto done = unpack_bundle_with(program("/bin/sleep").get(), from.get(), to.get(), {});
    if (!done) why = done.error().message;
    over = true;
  });
  pid_t child = 0;
  while (child == 0 && !over) {
    for (const pid_t one : children()) {
      if (std::find(before.begin(), before.end(), one) == before.end()) child = one;
    }
  }
  EXPECT_TRUE(child > 0 && ::kill(child, SIGKILL) == 0) << child;
  waits.join();
  EXPECT_NE(why.find("handoff-unpack died"), std::string::npos) << why;
  EXPECT_EQ(children(), before);
}

// A process has its score until somebody has waited for it.
TEST_F(UnpackerTest, WhenMemoryRunsOutItGoesBeforeServices) {
  (void)archive();
  const test::Process unpacking([this] {
    if (::dup2(::open(at.c_str(), O_RDONLY | O_CLOEXEC), STDIN_FILENO) < 0) return 127;
    if (::dup2(::open(into.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), 100) < 0) return 127;
    if (::dup2(100, 3) < 0) return 127;  // which may have been the folder's own number
    ::execl(test::program("handoff-unpack").c_str(), "handoff-unpack", "99", "9", "99", nullptr);
    return 127;
  });
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PIDFD, static_cast<id_t>(unpacking.pidfd()), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(ended.si_status, 0);
  EXPECT_TRUE(fs::exists(into + "/a"));
  EXPECT_EQ(test::read_file("/proc/" + std::to_string(unpacking.pid()) + "/oom_score_adj"),
            "1000\n");
}

TEST_F(UnpackerTest, WhatIsNoProgramIsToldByItsErrno) {
  const UniqueFd from = archive();
  const UniqueFd to = folder();
  const auto done = unpack_bundle_with(from.get(), from.get(), to.get(), {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, -EACCES);
  EXPECT_EQ(done.error().message, "running handoff-unpack: Permission denied");
}

}  // namespace
}  // namespace handoff::supervisor
