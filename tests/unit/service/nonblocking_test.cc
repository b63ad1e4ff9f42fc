#include "libhandoff/service/nonblocking.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "libhandoff/base/unique_fd.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {
namespace {

void set_blocking(int fd) {
  ASSERT_EQ(0, ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK));
}

class NonblockingLookTest : public ::testing::Test {
 protected:
  NonblockingLookTest() {
    declared_.log_user = &log_;
    declared_.log = [](void* user, int, const char* message) {
      static_cast<std::vector<std::string>*>(user)->emplace_back(message);
    };
  }
  // Sessions 1 to n, which had the flag.
  void open(std::uint64_t n) {
    for (std::uint64_t id = 1; id <= n; ++id) {
      int pair[2];
      ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
      fds_.emplace_back(pair[0]);
      ::close(pair[1]);
      registry_.sessions.add(
          id, {.inode = identity_of(pair[0])->inode, .fd = pair[0], .nonblocking = true});
    }
  }
  // How many turns it takes.
  int look() {
    look_.begin(registry_, true);
    int turns = 0;
    while (look_.turn(registry_)) ++turns;
    return turns;
  }

  std::vector<std::string> log_;
  Declared declared_;
  Registry registry_{declared_};
  std::vector<UniqueFd> fds_;
  NonblockingLook look_;
};

// A release with two kinds of sockets may clear the flag of one kind alone.
TEST_F(NonblockingLookTest, FindsASingleOneWhereverItIs) {
  open(600);
  for (const UniqueFd& fd : fds_) {
    set_blocking(fd.get());
    look();
    ASSERT_TRUE(is_nonblocking(fd.get()));
  }
  EXPECT_EQ(600U, log_.size()) << "a word for each";
}

TEST_F(NonblockingLookTest, LooksAtAFewInATurn) {
  open(600);
  EXPECT_GE(look(), 2);
  EXPECT_EQ(0U, log_.size());
  EXPECT_FALSE(look_.turn(registry_)) << "it is over";
}

TEST_F(NonblockingLookTest, MendsAllAtOnceWhenOneIsFound) {
  open(600);
  for (const UniqueFd& fd : fds_) set_blocking(fd.get());
  look_.begin(registry_, true);
  for (const UniqueFd& fd : fds_) EXPECT_TRUE(is_nonblocking(fd.get()));
  ASSERT_EQ(1U, log_.size());
  EXPECT_NE(std::string::npos, log_[0].find("on 600 sockets"));
}

TEST_F(NonblockingLookTest, LeavesAloneWhatNeverHadTheFlagAndWhatIsAnotherSocketNow) {
  open(2);
  registry_.sessions.at(1).nonblocking = false;
  registry_.sessions.at(2).inode = 0;
  for (const UniqueFd& fd : fds_) set_blocking(fd.get());
  look();
  for (const UniqueFd& fd : fds_) EXPECT_FALSE(is_nonblocking(fd.get()));
}

// Sessions come and go between two turns, and the table of all of them may grow.
TEST_F(NonblockingLookTest, FindsThoseThatWereHereAlthoughOthersCome) {
  open(600);
  look_.begin(registry_, false);
  for (const UniqueFd& fd : fds_) set_blocking(fd.get());
  for (std::uint64_t id = 10'000; id < 20'000; ++id) registry_.sessions.add(id, {.fd = -1});
  for (std::uint64_t id = 10'000; id < 20'000; ++id) {
    registry_.sessions.remove(registry_.sessions.find(id));
  }
  while (look_.turn(registry_)) {
  }
  for (const UniqueFd& fd : fds_) EXPECT_TRUE(is_nonblocking(fd.get()));
}

// A session has them beside its socket, or without one.
TEST_F(NonblockingLookTest, LooksAtTheOtherFdsOfASession) {
  open(600);
  registry_.sessions.add(601, {.no_fd = true});
  const auto blocks_in = [&](std::uint64_t id) {
    int pair[2];
    ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    fds_.emplace_back(pair[0]);
    ::close(pair[1]);
    const auto identity = identity_of(pair[0]);
    registry_.sessions.fds().set(id, {.name = "upstream",
                                      .inode = identity->inode,
                                      .device = identity->device,
                                      .fd = pair[0],
                                      .nonblocking = true});
  };
  for (const std::uint64_t id : {300, 601}) {
    blocks_in(id);
    look();
    EXPECT_TRUE(is_nonblocking(fds_.back().get())) << id;
    set_blocking(fds_.back().get());
    mend_nonblocking(registry_, {id});
    EXPECT_TRUE(is_nonblocking(fds_.back().get())) << id;
  }
  EXPECT_EQ(4U, log_.size());
}

TEST_F(NonblockingLookTest, HasNothingToDoBeforeItBegins) {
  open(1);
  set_blocking(fds_[0].get());
  EXPECT_FALSE(look_.turn(registry_));
  EXPECT_FALSE(is_nonblocking(fds_[0].get()));
}

}  // namespace
}  // namespace handoff::io
