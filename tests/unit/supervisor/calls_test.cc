// The filter of system calls before a bundle is read: what is left is enough to unpack, and nothing
// else is left.
#include "supervisor/unpack/calls.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <csignal>
#include <filesystem>

#include "in_child.h"
#include "supervisor/unpack/confine.h"
#include "supervisor/unpack/unpack.h"
#include "support/process/files.h"
#include "tar.h"

namespace handoff::supervisor {
namespace {

using test::Tar;

template <class... Args>
int errno_of(long call, Args... args) {
  errno = 0;
  return ::syscall(call, args...) < 0 ? errno : 0;
}

TEST(CallsTest, NothingElseIsLeft) {
  test::in_child([] {
    const auto done = leave_only_unpacking();
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(errno_of(SYS_socket, AF_UNIX, SOCK_STREAM, 0), ENOSYS);
    EXPECT_EQ(errno_of(SYS_connect, 3, nullptr, 0), ENOSYS);
    EXPECT_EQ(errno_of(SYS_execve, "/bin/true", nullptr, nullptr), ENOSYS);
    EXPECT_EQ(errno_of(SYS_execveat, 3, "", nullptr, nullptr, AT_EMPTY_PATH), ENOSYS);
    EXPECT_EQ(errno_of(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr), ENOSYS);
    EXPECT_EQ(errno_of(SYS_kill, ::getppid(), 0), ENOSYS);
    EXPECT_EQ(errno_of(SYS_ptrace, 0, 0, 0, 0), ENOSYS);
    EXPECT_EQ(errno_of(SYS_unlinkat, AT_FDCWD, "/no/such", 0), ENOSYS);
    EXPECT_EQ(errno_of(SYS_io_uring_setup, 1, nullptr), ENOSYS);
    EXPECT_EQ(errno_of(SYS_seccomp, 0, 0, nullptr), ENOSYS);
    constexpr std::size_t kPage = 4096;
    EXPECT_EQ(errno_of(SYS_mmap, nullptr, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0),
              ENOSYS);
    EXPECT_EQ(errno_of(SYS_mmap, nullptr, kPage, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
              0);
  });
}

// Landlock has no right for modes, and its first versions none for emptying a file.
TEST(CallsTest, NoModeIsChangedAndNoFileEmptied) {
  const test::TempDir scratch;
  const std::string there = scratch / "there";
  test::write_file(there, "precious");
  const auto mode = std::filesystem::status(there).permissions();
  test::in_child([&] {
    const UniqueFd fd(::open(there.c_str(), O_RDONLY | O_CLOEXEC));
    const auto done = leave_only_unpacking();
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(errno_of(SYS_fchmod, fd.get(), 04777), ENOSYS);
    EXPECT_EQ(errno_of(SYS_fchmodat, AT_FDCWD, there.c_str(), 04777), ENOSYS);
    EXPECT_EQ(errno_of(SYS_openat, AT_FDCWD, there.c_str(), O_RDONLY | O_TRUNC), ENOSYS);
    EXPECT_EQ(errno_of(SYS_openat, AT_FDCWD, there.c_str(), O_RDWR | O_TRUNC | O_CREAT, 0644),
              ENOSYS);
    EXPECT_EQ(errno_of(SYS_ftruncate, fd.get(), 0), ENOSYS);
  });
  EXPECT_EQ(test::read_file(there), "precious");
  EXPECT_EQ(std::filesystem::status(there).permissions(), mode);
}

TEST(CallsTest, NothingIsMadeThatOthersMayChangeOrThatHasMoreRights) {
  const test::TempDir scratch;
  test::in_child([&] {
    const auto done = leave_only_unpacking();
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(errno_of(SYS_openat, AT_FDCWD, scratch.path().c_str(), O_RDONLY, 07777), 0)
        << "a mode is no argument where nothing is made";
    for (const int mode : {04755, 02755, 01755, 0775, 0757}) {
      const std::string made = scratch / std::to_string(mode);
      EXPECT_EQ(errno_of(SYS_openat, AT_FDCWD, made.c_str(), O_WRONLY | O_CREAT, mode), ENOSYS);
      EXPECT_EQ(errno_of(SYS_openat, AT_FDCWD, scratch.path().c_str(), O_WRONLY | O_TMPFILE, mode),
                ENOSYS);
      EXPECT_EQ(errno_of(SYS_mkdirat, AT_FDCWD, made.c_str(), mode), ENOSYS);
    }
  });
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(CallsTest, WhatIsLeftIsEnoughToUnpackAndToSayWhatIsWrong) {
  const test::TempDir scratch;
  for (const auto filter : {Tar::Filter::kNone, Tar::Filter::kGzip, Tar::Filter::kZstd}) {
    const std::string into = scratch / std::to_string(static_cast<int>(filter));
    std::filesystem::create_directories(into);
    ASSERT_NE(std::setlocale(LC_ALL, "C.UTF-8"), nullptr);
    const std::string archive = Tar(scratch / "a.tar", filter)
                                    .program("bin/chat", std::string(300000, 'x'))
                                    .file("lib/grüße", "text")
                                    .link("lib/link", "../bin/chat")
                                    .hard_link("bin/again", "bin/chat")
                                    .close();
    ASSERT_NE(std::setlocale(LC_ALL, "C"), nullptr);
    test::in_child([&] {
      const UniqueFd from(::open(archive.c_str(), O_RDONLY | O_CLOEXEC));
      const UniqueFd to(::open(into.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      (void)confine(to.get());
      const auto only = leave_only_unpacking();
      ASSERT_TRUE(only) << only.error().message;
      const auto done = unpack(from.get(), to.get(), {});
      EXPECT_TRUE(done) << done.error().message;
      const auto again = unpack(from.get(), to.get(), {});
      ASSERT_FALSE(again);
      EXPECT_NE(again.error().message.find("is in it twice"), std::string::npos);
    });
    EXPECT_EQ(test::read_file(into + "/lib/link").size(), 300000U);
    EXPECT_EQ(test::read_file(into + "/lib/grüße"), "text");
  }
}

}  // namespace
}  // namespace handoff::supervisor
