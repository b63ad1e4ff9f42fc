// The process that is ended first when memory runs out: the score of a process and of what it
// starts. Each case is a process of its own, since a score can be lowered by root alone once it has
// a floor.
#include "libhandoff/sys/oom_score.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <fstream>
#include <functional>
#include <vector>

#include "support/process/files.h"
#include "support/process/process.h"

namespace handoff::io {
namespace {

using test::read_file;

constexpr uid_t kNobody = 65534;

std::string score_of(const std::string& who) {
  std::string text = read_file("/proc/" + who + "/oom_score_adj");
  if (text.ends_with('\n')) text.pop_back();
  return text;
}
std::string score() { return score_of("self"); }
void set_score(const std::string& who, const std::string& score) {
  std::ofstream file("/proc/" + who + "/oom_score_adj");
  ASSERT_TRUE(file << score << std::flush);
}

// Runs body in a child; what it EXPECTs there fails here.
void in_child(const std::function<void()>& body) {
  test::Process child([&body] {
    body();
    return ::testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

// A child of this process that waits for its end.
struct Child {
  Child() : process(test::wait_to_be_killed) {}
  std::string score() const { return score_of(std::to_string(process.pid())); }
  test::Process process;
};

bool drop_cap_sys_resource() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) < 0) return false;
  auto& with = data[CAP_TO_INDEX(CAP_SYS_RESOURCE)];
  const std::uint32_t mask = ~CAP_TO_MASK(CAP_SYS_RESOURCE);
  with.effective &= mask;
  with.permitted &= mask;
  with.inheritable &= mask;
  return ::syscall(SYS_capset, &header, data) == 0;
}

// The process ends at the first of these calls.
template <std::size_t N>
bool forbid(const int (&calls)[N]) {
  std::vector<sock_filter> code{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const int call : calls) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(OomScoreTest, OneThatIsRaisedGoesFirstUntilItIsRestored) {
  in_child([] {
    set_score("self", "300");
    OomScore own;
    EXPECT_FALSE(own.raised());
    ASSERT_TRUE(own.restore());
    EXPECT_EQ(score(), "300");
    ASSERT_TRUE(own.raise());
    EXPECT_TRUE(own.raised());
    EXPECT_EQ(score(), "1000");
    ASSERT_TRUE(own.restore());
    EXPECT_EQ(score(), "300");
    set_score("self", "400");
    ASSERT_TRUE(own.restore());
    EXPECT_EQ(score(), "400") << "a second time does nothing";
  });
}

TEST(OomScoreTest, WhatItStartedMeanwhileIsRestoredAndWhatHasAScoreOfItsOwnIsNot) {
  in_child([] {
    const std::string before = score();
    OomScore own;
    const Child older;
    ASSERT_TRUE(own.raise());
    const Child plain;
    const Child different;
    set_score(std::to_string(different.process.pid()), "700");
    EXPECT_EQ(plain.score(), "1000");
    ASSERT_TRUE(own.restore());
    EXPECT_EQ(older.score(), before);
    EXPECT_EQ(plain.score(), before);
    EXPECT_EQ(different.score(), "700");
  });
}

TEST(OomScoreTest, ItIsRestoredAlsoByAnotherUserThatMayNotBeDumped) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can change its user";
  in_child([] {
    const std::string before = score();
    OomScore own;
    ASSERT_TRUE(own.raise());
    ASSERT_EQ(::setresuid(kNobody, kNobody, kNobody), 0);
    ASSERT_EQ(::prctl(PR_GET_DUMPABLE), 0) << "so /proc/self is root's";
    ASSERT_EQ(::access("/proc/self/oom_score_adj", W_OK), -1);
    ASSERT_TRUE(own.restore());
    EXPECT_EQ(score(), before);
  });
}

TEST(OomScoreTest, WhoHasChangedItsUserBeforeIsToldWhatHelps) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can change its user";
  in_child([] {
    const std::string before = score();
    ASSERT_EQ(::setresuid(kNobody, kNobody, kNobody), 0);
    OomScore own;
    const auto raised = own.raise();
    ASSERT_FALSE(raised);
    EXPECT_NE(raised.error().message.find("handoff_open() before"), std::string::npos);
    EXPECT_EQ(score(), before);
    EXPECT_TRUE(own.restore());
  });
}

// With the capability the kernel makes what is written a floor, unless the writer does without.
TEST(OomScoreTest, ItIsRestoredAlsoWithoutTheCapabilityThatItWasRaisedWith) {
  in_child([] {
    const std::string before = score();
    OomScore own;
    ASSERT_TRUE(own.raise());
    ASSERT_TRUE(drop_cap_sys_resource());
    const auto restored = own.restore();
    EXPECT_TRUE(restored) << restored.error().message;
    EXPECT_EQ(score(), before);
  });
}

TEST(OomScoreTest, ItIsRestoredByNothingButWhatEveryFilterOfSystemCallsLetsThrough) {
  in_child([] {
    const std::string before = score();
    OomScore own;
    ASSERT_TRUE(own.raise());
    ASSERT_TRUE(forbid({SYS_open, SYS_openat, SYS_openat2, SYS_getdents64, SYS_capget, SYS_capset,
                        SYS_prctl, SYS_lseek, SYS_pread64, SYS_pwrite64}));
    const bool restored = own.restore().has_value();
    ::_exit(restored ? 0 : 1);  // nothing more can be looked at from here
  });
}

TEST(OomScoreTest, ARaisedOneUnderAFilterIsNotEndedByIt) {
  in_child([] {
    ASSERT_TRUE(forbid({SYS_capget, SYS_capset}));
    OomScore own;
    ASSERT_TRUE(own.raise());
    EXPECT_EQ(score(), "1000");
    ASSERT_TRUE(own.restore());
  });
}

TEST(OomScoreTest, WithoutAProcOrWithOneThatIsReadOnlyItIsAnError) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can mount";
  in_child([] {
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(::mount("proc", "/proc", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
    OomScore own;
    const auto read_only = own.raise();
    ASSERT_FALSE(read_only);
    EXPECT_EQ(read_only.error().code, -EROFS);
    EXPECT_EQ(score(), "0");
    ASSERT_EQ(::mount("none", "/proc", "tmpfs", 0, nullptr), 0);
    const auto none = own.raise();
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, -ENOENT);
    EXPECT_NE(none.error().message.find("mount /proc"), std::string::npos);
  });
}

}  // namespace
}  // namespace handoff::io
