#include "libhandoff/process/sharers.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace handoff::io {
namespace {

// The supervisor has the same description of a pidfd, which SCM_RIGHTS duplicates.
TEST(SharersTest, AProcessThatHasExitedIsToldOfOnceWhoeverElseHasItsPidfd) {
  std::array<int, 2> ends{};
  ASSERT_EQ(0, ::pipe2(ends.data(), O_CLOEXEC));
  const UniqueFd waits(ends[0]);
  UniqueFd ended(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    ended.reset();
    char byte = 0;
    ::_exit(static_cast<int>(::read(waits.get(), &byte, 1)));
  }
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  ASSERT_TRUE(pidfd.valid());
  const UniqueFd supervisors(::dup(pidfd.get()));
  auto sharers = Sharers::make();
  ASSERT_TRUE(sharers);
  sharers->add(std::move(pidfd));
  EXPECT_FALSE(sharers->turn());
  ended.reset();
  pollfd readable{sharers->fd(), POLLIN, 0};
  EXPECT_EQ(1, ::poll(&readable, 1, -1));
  EXPECT_TRUE(sharers->turn());
  EXPECT_FALSE(sharers->turn());
  EXPECT_EQ(0, ::poll(&readable, 1, 0)) << "a loop that polls it would spin";
  EXPECT_EQ(child, ::waitpid(child, nullptr, 0));
}

}  // namespace
}  // namespace handoff::io
