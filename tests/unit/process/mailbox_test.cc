// What a process finds in its mailbox: of several control sockets the newest that leads anywhere.
#include "libhandoff/process/mailbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <vector>

#include "libhandoff/sys/socket.h"
#include "support/process/files.h"

namespace handoff::io {
namespace {

struct Pair {
  UniqueFd supervisors, services;
};
Pair pair_of(int type) {
  int fds[2] = {-1, -1};
  EXPECT_EQ(0, ::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds));
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

class MailboxTest : public ::testing::Test {
 protected:
  MailboxTest() : ends_(pair_of(SOCK_DGRAM)) {
    auto mailbox = Mailbox::from(std::move(ends_.services));
    EXPECT_TRUE(mailbox) << mailbox.error().message;
    mailbox_ = std::move(*mailbox);
  }
  void post(const std::vector<int>& fds) {
    char text[] = "a key";
    iovec part{text, sizeof text};
    alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
      cmsghdr* cmsg = CMSG_FIRSTHDR(&message);
      cmsg->cmsg_level = SOL_SOCKET;
      cmsg->cmsg_type = SCM_RIGHTS;
      cmsg->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(cmsg), fds.data(), fds.size() * sizeof(int));
    }
    EXPECT_GT(::sendmsg(ends_.supervisors.get(), &message, 0), 0);
  }
  static Identity identity(const UniqueFd& fd) { return identity_of(fd.get()).value(); }

  Pair ends_;
  Mailbox mailbox_;
};

TEST_F(MailboxTest, AnEmptyOneHasNone) {
  EXPECT_TRUE(mailbox_.known());
  EXPECT_FALSE(mailbox_.take());
  EXPECT_FALSE(Mailbox().known());
  EXPECT_FALSE(Mailbox().take());
}

TEST_F(MailboxTest, GivesTheControlSocketOnceAndClosesItOnExec) {
  const Pair control = pair_of(SOCK_SEQPACKET);
  post({control.services.get()});
  const auto taken = mailbox_.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(identity(control.services), identity(*taken));
  EXPECT_NE(0, ::fcntl(taken->get(), F_GETFD) & FD_CLOEXEC);
  EXPECT_FALSE(mailbox_.take());
}

TEST_F(MailboxTest, OfSeveralGivesTheNewestThatASupervisorHolds) {
  Pair first = pair_of(SOCK_SEQPACKET);
  const Pair second = pair_of(SOCK_SEQPACKET);
  Pair third = pair_of(SOCK_SEQPACKET);
  for (const Pair* pair : std::initializer_list<const Pair*>{&first, &second, &third}) {
    post({pair->services.get()});
  }
  third.supervisors.reset();  // that supervisor has died
  const auto taken = mailbox_.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(identity(second.services), identity(*taken));
  // The others are closed.
  first.services.reset();
  char word = 0;
  EXPECT_EQ(0, ::recv(first.supervisors.get(), &word, 1, MSG_DONTWAIT));
}

TEST_F(MailboxTest, OneWhoseSupervisorHasDiedIsNone) {
  Pair control = pair_of(SOCK_SEQPACKET);
  post({control.services.get()});
  control.supervisors.reset();
  EXPECT_FALSE(mailbox_.take());
}

TEST_F(MailboxTest, WhatIsNoControlSocketIsClosedAndTheNextIsLookedAt) {
  Pair stream = pair_of(SOCK_STREAM);
  Pair many = pair_of(SOCK_SEQPACKET);
  const test::TempDir dir;
  const UniqueFd folder(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const Pair control = pair_of(SOCK_SEQPACKET);
  post({control.services.get()});
  post({});
  post({stream.services.get()});
  post({folder.get()});
  post({many.services.get(), folder.get()});  // for one there is room
  many.supervisors.reset();
  const auto taken = mailbox_.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(identity(control.services), identity(*taken));
  stream.services.reset();
  char word = 0;
  EXPECT_EQ(0, ::recv(stream.supervisors.get(), &word, 1, MSG_DONTWAIT));
}

TEST_F(MailboxTest, NothingElseIsAMailbox) {
  EXPECT_FALSE(Mailbox::from(UniqueFd()));
  EXPECT_FALSE(Mailbox::from(std::move(pair_of(SOCK_SEQPACKET).services)));
  EXPECT_FALSE(Mailbox::from(UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))));
  EXPECT_FALSE(Mailbox::from(UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))));
}

}  // namespace
}  // namespace handoff::io
