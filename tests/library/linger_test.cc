// Connections that have ended, and whose clients may not have read the last answer yet: the clients
// are the other ends of socket pairs.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <handoff/detail/uv_linger.hpp>

#include "support/clients/sockets.h"

namespace handoff::test {
namespace {

using uv::Linger;

struct Pair {
  UniqueFd client;
  int server = -1;
};
Pair make_pair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()));
  return {UniqueFd(fds[0]), fds[1]};
}
// Whether the other end is closed: its half of the connection alone would be EPIPE as well, so this
// asks for the hang-up.
bool closed(const UniqueFd& client) {
  pollfd end{client.get(), 0, 0};
  ::poll(&end, 1, 0);
  return (end.revents & POLLHUP) != 0;
}

class LingerTest : public ::testing::Test {
 protected:
  LingerTest() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
  UniqueFd epoll_;
  Linger linger_;
};

TEST_F(LingerTest, AClientThatHasEndedIsNotWaitedFor) {
  Pair one = make_pair();
  EXPECT_EQ(2, ::send(one.client.get(), "ab", 2, 0));
  ::shutdown(one.client.get(), SHUT_WR);
  linger_.add(one.server, epoll_.get(), 0);
  EXPECT_TRUE(linger_.empty());
  EXPECT_TRUE(closed(one.client));
}

TEST_F(LingerTest, AClientThatStaysIsClosedAfterAWhile) {
  const Pair one = make_pair();
  linger_.add(one.server, epoll_.get(), 1000);
  char byte = 0;
  EXPECT_EQ(0, ::recv(one.client.get(), &byte, 1, 0)) << "it sees the end at once";
  EXPECT_EQ(Linger::kLingerMs, linger_.left_ms(1000));
  linger_.expire(1000 + Linger::kLingerMs - 1);
  EXPECT_FALSE(closed(one.client));
  linger_.expire(1000 + Linger::kLingerMs);
  EXPECT_TRUE(closed(one.client));
}

TEST_F(LingerTest, BeyondTheNumberTheOldestIsClosed) {
  std::vector<UniqueFd> clients;
  for (std::size_t i = 0; i <= Linger::kMaxLingering; ++i) {
    Pair one = make_pair();
    clients.push_back(std::move(one.client));
    linger_.add(one.server, epoll_.get(), i);
  }
  EXPECT_EQ(Linger::kMaxLingering, linger_.size());
  EXPECT_TRUE(closed(clients[0]));
  EXPECT_FALSE(closed(clients[1]));
}

TEST_F(LingerTest, AnEventOfOneThatHasEndedConcernsNobody) {
  const Pair one = make_pair();
  linger_.add(one.server, epoll_.get(), 0);
  EXPECT_EQ(1, ::send(one.client.get(), "a", 1, 0));
  epoll_event event{};
  ASSERT_EQ(1, ::epoll_wait(epoll_.get(), &event, 1, 0));
  EXPECT_EQ(2U, event.data.u64 & 3);
  linger_.on_event(event.data.u64);
  EXPECT_FALSE(linger_.empty()) << "it has sent something, and not ended";
  linger_.expire(Linger::kLingerMs);
  linger_.on_event(event.data.u64);
  EXPECT_TRUE(linger_.empty());
}

}  // namespace
}  // namespace handoff::test
