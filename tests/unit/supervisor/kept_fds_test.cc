// Fds that a supervisor is started with: systemd's, and those of its predecessor.
#include "supervisor/host/kept_fds.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <string>

#include "in_child.h"

namespace handoff::supervisor {
namespace {

using test::in_child;

// For the child: opens `count` ends of pipes from fd 3 on, not close-on-exec, and closes all else.
void open_from_3(int count) {
  ::syscall(SYS_close_range, 3U, ~0U, 0);
  for (int fd = 3; fd < 3 + count; fd += 2) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    ASSERT_EQ(ends[0], fd);
  }
}
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
bool closes_on_exec(int fd) { return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0; }
void listen_variables(pid_t pid, int count, const std::string& names) {
  ::setenv("LISTEN_PID", std::to_string(pid).c_str(), 1);
  ::setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
  ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
}

TEST(KeptFdsTest, ThereAreNoneWithoutTheVariables) {
  in_child([] {
    ::unsetenv("LISTEN_FDS");
    ::unsetenv(kKeptVariable);
    KeptFds kept = KeptFds::from_environment();
    EXPECT_TRUE(kept.empty());
    EXPECT_FALSE(kept.take("public").valid());
  });
}

TEST(KeptFdsTest, ThoseOfSystemdGoByTheirNamesOnce) {
  in_child([] {
    open_from_3(2);
    listen_variables(::getpid(), 2, "chat/public:chat/admin");
    KeptFds kept = KeptFds::from_environment();
    for (const char* gone : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
      EXPECT_EQ(std::getenv(gone), nullptr) << gone;
    }
    EXPECT_TRUE(closes_on_exec(3));
    EXPECT_TRUE(closes_on_exec(4));
    EXPECT_EQ(kept.take("chat/admin").release(), 4);
    EXPECT_FALSE(kept.take("chat/admin").valid());
    EXPECT_EQ(kept.left().size(), 1U);
    EXPECT_EQ(kept.take("chat/public").get(), 3);
    EXPECT_FALSE(is_open(3)) << "taken, and let go";
    EXPECT_TRUE(kept.empty());
  });
}

TEST(KeptFdsTest, ThoseThatNobodyTakesAreClosed) {
  in_child([] {
    open_from_3(2);
    listen_variables(::getpid(), 2, "a:b");
    { const KeptFds kept = KeptFds::from_environment(); }
    EXPECT_FALSE(is_open(3));
    EXPECT_FALSE(is_open(4));
  });
}

TEST(KeptFdsTest, TwoOfOneNameAreOne) {
  in_child([] {
    open_from_3(2);
    listen_variables(::getpid(), 2, "a:a");
    KeptFds kept = KeptFds::from_environment();
    EXPECT_EQ(kept.left().size(), 1U);
    EXPECT_NE(is_open(3), is_open(4));
  });
}

TEST(KeptFdsTest, ThoseForAnotherProcessAreLeftAlone) {
  in_child([] {
    open_from_3(4);
    listen_variables(::getpid() + 1, 2, "a:b");
    ::setenv(kKeptVariable, (std::to_string(::getpid() + 1) + ":c=5,").c_str(), 1);
    EXPECT_TRUE(KeptFds::from_environment().empty());
    EXPECT_EQ(std::getenv(kKeptVariable), nullptr) << "nor for a child of this one";
    for (int fd = 3; fd < 7; ++fd) EXPECT_TRUE(is_open(fd)) << fd;
    EXPECT_FALSE(closes_on_exec(5));
  });
}

TEST(KeptFdsTest, ThoseOfAPredecessorComeBackAsDescribed) {
  in_child([] {
    open_from_3(4);
    ::unsetenv("LISTEN_FDS");
    const std::string text = KeptFds::describe({{"@lock", 3}, {"chat/public", 5}});
    ::setenv(kKeptVariable, text.c_str(), 1);
    KeptFds kept = KeptFds::from_environment();
    EXPECT_EQ(std::getenv(kKeptVariable), nullptr);
    EXPECT_TRUE(closes_on_exec(3));
    EXPECT_TRUE(closes_on_exec(5));
    EXPECT_FALSE(closes_on_exec(4)) << "that one was not named";
    EXPECT_EQ(kept.take("@lock").release(), 3);
    EXPECT_EQ(kept.take("chat/public").release(), 5);
    EXPECT_TRUE(kept.empty());
  });
}

// Closed twice, the second time it would be another's.
TEST(KeptFdsTest, AnFdOfTwoNamesIsTakenOnce) {
  in_child([] {
    open_from_3(4);
    listen_variables(::getpid(), 1, "a");
    ::setenv(kKeptVariable, (std::to_string(::getpid()) + ":b=3,c=5,d=5,e=1,").c_str(), 1);
    KeptFds kept = KeptFds::from_environment();
    EXPECT_EQ(kept.take("a").release(), 3);
    EXPECT_EQ(kept.take("c").release(), 5);
    EXPECT_TRUE(kept.empty()) << kept.left().begin()->first;
    EXPECT_FALSE(closes_on_exec(1)) << "the standard output";
  });
}

TEST(KeptFdsTest, NonsenseIsIgnored) {
  for (const char* rest :
       {"", "a", "a=", "a=x", "a=-1", "a=3x", "a=999", "=", ",,,", "a=99999999999999999999"}) {
    in_child([rest] {
      open_from_3(2);
      ::unsetenv("LISTEN_FDS");
      ::setenv(kKeptVariable, (std::to_string(::getpid()) + ":" + rest).c_str(), 1);
      EXPECT_TRUE(KeptFds::from_environment().empty()) << rest;
      EXPECT_TRUE(is_open(3)) << rest;
    });
  }
  for (const char* whole : {"", ":", "x:a=3", "-1:a=3", "a=3,b=4"}) {
    in_child([whole] {
      open_from_3(2);
      ::unsetenv("LISTEN_FDS");
      ::setenv(kKeptVariable, whole, 1);
      EXPECT_TRUE(KeptFds::from_environment().empty()) << whole;
      EXPECT_TRUE(is_open(3)) << whole;
    });
  }
}

TEST(KeptFdsTest, WhatIsGoodAmongNonsenseIsKept) {
  in_child([] {
    open_from_3(2);
    ::unsetenv("LISTEN_FDS");
    ::setenv(kKeptVariable, (std::to_string(::getpid()) + ":x,good=3,y=,,z=999").c_str(), 1);
    KeptFds kept = KeptFds::from_environment();
    EXPECT_EQ(kept.take("good").release(), 3);
    EXPECT_TRUE(kept.empty());
  });
}

}  // namespace
}  // namespace handoff::supervisor
