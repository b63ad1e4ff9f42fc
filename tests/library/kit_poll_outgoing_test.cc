// Connections that a service on poll.h opens itself: what ends them, and callbacks that open
// others. In this process, without a supervisor.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "kit_poll_here.h"
#include "support/clients/sockets.h"

namespace handoff::test {
namespace {

using ::testing::ElementsAre;

class PollOutgoingTest : public PollTest {
 public:  // callbacks use it
  PollOutgoingTest() {
    ops_.kind = "uplink";
    EXPECT_EQ(0, handoff_poll_outgoing(kit_, &ops_, this));
    ops_.kind = nullptr;
  }
  handoff_conn_t* adopt(int fd) {
    handoff_conn_t* out = nullptr;
    EXPECT_EQ(0, handoff_poll_adopt(kit_, "uplink", fd, nullptr, &out));
    return out;
  }
  // One end is the kit's; returns the other.
  UniqueFd adopt_one(handoff_conn_t** out = nullptr) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    handoff_conn_t* const c = adopt(ends[0]);
    if (out != nullptr) *out = c;
    return UniqueFd(ends[1]);
  }
  bool rests() const {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(1, handoff_poll_once(kit_, 0));
      pollfd p{handoff_poll_fd(kit_), POLLIN, 0};
      if (::poll(&p, 1, 0) == 0) return true;
    }
    return false;
  }

  std::vector<UniqueFd> peers_;
};

TEST_F(PollOutgoingTest, AConnectThatHangsIsGivenUpAtClose) {
  start();
  const UniqueFd full(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in any = loopback(0);
  ASSERT_EQ(0, ::bind(full.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any));
  ASSERT_EQ(0, ::listen(full.get(), 0));
  const UniqueFd first = connect_tcp(port_of(full.get()));
  const std::string address = "tcp:127.0.0.1:" + std::to_string(port_of(full.get()));
  handoff_conn_t* c = nullptr;
  ASSERT_EQ(0, handoff_poll_connect(kit_, "uplink", address.c_str(), nullptr, &c));
  EXPECT_TRUE(rests());
  handoff_conn_close(c);
  EXPECT_TRUE(rests());
  EXPECT_EQ(0U, handoff_poll_count(kit_));
  EXPECT_THAT(heard_, ElementsAre("closed", "destroyed"));
}

// Enough for the kit's table to grow meanwhile.
TEST_F(PollOutgoingTest, AClosedAndAVisitorMayOpenOthers) {
  ops_.kind = "more";
  ops_.closed = [](handoff_conn_t* c) {
    auto& self = static_cast<PollOutgoingTest&>(of(handoff_conn_context(c)));
    for (int i = 0; i < 100; ++i) self.peers_.push_back(self.adopt_one());
  };
  ASSERT_EQ(0, handoff_poll_outgoing(kit_, &ops_, this));
  ops_.kind = nullptr;
  start();
  int ends[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  const UniqueFd peer(ends[1]);
  handoff_conn_t* c = nullptr;
  ASSERT_EQ(0, handoff_poll_adopt(kit_, "more", ends[0], nullptr, &c));
  handoff_conn_abort(c);
  EXPECT_TRUE(rests());
  EXPECT_EQ(100U, handoff_poll_count(kit_));
  int visited = 0;
  std::pair<PollOutgoingTest*, int*> both{this, &visited};
  handoff_poll_each(
      kit_,
      [](void* user, handoff_conn_t*) {
        auto& [self, count] = *static_cast<std::pair<PollOutgoingTest*, int*>*>(user);
        for (int i = 0; i < 2; ++i) self->peers_.push_back(self->adopt_one());
        ++*count;
      },
      &both);
  EXPECT_EQ(100, visited);
  EXPECT_EQ(300U, handoff_poll_count(kit_));
}

// A Unix socket whose peer has gone is read also while its connection is paused.
TEST_F(PollOutgoingTest, TheEndComesBehindInputThatAPauseHasKept) {
  start();
  handoff_conn_t* c = nullptr;
  UniqueFd peer = adopt_one(&c);
  handoff_conn_pause(c);
  send_all(peer.get(), "all of it");
  peer.reset();
  EXPECT_TRUE(rests());
  EXPECT_EQ(1U, handoff_poll_count(kit_));
  EXPECT_EQ(nullptr, conn_);
  handoff_conn_resume(c);
  EXPECT_TRUE(rests());
  EXPECT_NE(nullptr, conn_) << "its input has come";
  EXPECT_EQ(0U, handoff_poll_count(kit_));
}

}  // namespace
}  // namespace handoff::test
