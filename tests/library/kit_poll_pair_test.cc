// What poll.h refuses of sessions with two connections, what their functions are of, and ends of a
// half. In this process, without a supervisor.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

#include "kit_poll_here.h"
#include "support/clients/sockets.h"
#include "upstream.h"

namespace handoff::test {
namespace {

using ::testing::ElementsAre;

std::pair<UniqueFd, UniqueFd> sockets() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

class PollPairTest : public PollTest {
 public:  // callbacks use it
  PollPairTest() { upstream_.size = sizeof upstream_; }

  using Input = std::size_t (*)(handoff_conn_t* c, const char* data, std::size_t length);
  // A session of the kind "pair", which relays; `client_` is the other end of its client.
  handoff_conn_t* open_pair(Input on_input = nullptr) {
    handoff_conn_ops relay = ops_;
    relay.kind = "pair";
    relay.input = on_input;
    relay.upstream = &upstream_;
    EXPECT_EQ(0, handoff_poll_outgoing(kit_, &relay, this));
    upstream_ = {};  // it was copied
    start();
    auto [mine, theirs] = sockets();
    client_ = std::move(theirs);
    handoff_conn_t* out = nullptr;
    EXPECT_EQ(0, handoff_poll_adopt(kit_, "pair", mine.get(), this, &out));
    (void)mine.release();
    return out;
  }
  // Gives the session an upstream, and returns the other end of that.
  UniqueFd give_upstream(handoff_conn_t* c) {
    auto [mine, theirs] = sockets();
    EXPECT_EQ(0, handoff_conn_adopt_upstream(c, mine.get())) << handoff_poll_last_error(kit_);
    (void)mine.release();
    return std::move(theirs);
  }
  // The next bytes of the kit; "EOF".
  std::string next(const UniqueFd& fd) {
    std::string out(4096, '\0');
    ssize_t n = -1;
    for (int i = 0; i < 1000 && n < 0; ++i) {
      n = ::recv(fd.get(), out.data(), out.size(), MSG_DONTWAIT);
      if (n < 0 && handoff_poll_once(kit_, 10) != 1) return "the loop is over";
    }
    if (n < 0) return "nothing";
    return n == 0 ? "EOF" : out.substr(0, static_cast<std::size_t>(n));
  }

  // Whether the loop has nothing to do, once what is on its way has come.
  bool rests() const {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(1, handoff_poll_once(kit_, 0));
      pollfd p{handoff_poll_fd(kit_), POLLIN, 0};
      if (::poll(&p, 1, 0) == 0) return true;
    }
    return false;
  }
  // Sends as much as the kit and the sockets take.
  void fill(const UniqueFd& fd) const {
    const std::string block(std::size_t{1} << 16, 'x');
    for (int full = 0; full < 20;) {
      const ssize_t n = ::send(fd.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      full = n > 0 ? 0 : full + 1;
      EXPECT_EQ(1, handoff_poll_once(kit_, 0));
    }
  }

  handoff_conn_ops upstream_{};
  UniqueFd client_;
  std::string other_;  // an address
};

TEST_F(PollPairTest, AnUpstreamHasNothingThatIsOfItsSession) {
  handoff_conn_ops opened = upstream_;
  opened.opened = [](handoff_conn_t*) { return 0; };
  handoff_conn_ops closed = upstream_;
  closed.closed = [](handoff_conn_t*) {};
  handoff_conn_ops kind = upstream_;
  kind.kind = "another";
  handoff_conn_ops small = upstream_;
  small.size = 8;
  for (const handoff_conn_ops& upstream : {opened, closed, kind, small}) {
    ops_.upstream = &upstream;
    EXPECT_EQ(-EINVAL, listen());
  }
  ops_.upstream = &upstream_;
  EXPECT_EQ(0, listen());
}

TEST_F(PollPairTest, ASessionWithOneConnectionHasNoUpstream) {
  EXPECT_EQ(nullptr, handoff_conn_upstream(nullptr));
  ops_.kind = "one";
  ASSERT_EQ(0, handoff_poll_outgoing(kit_, &ops_, this));
  ops_.kind = nullptr;
  start();
  auto [mine, theirs] = sockets();
  handoff_conn_t* c = nullptr;
  ASSERT_EQ(0, handoff_poll_adopt(kit_, "one", mine.release(), this, &c));
  EXPECT_EQ(nullptr, handoff_conn_upstream(c));
  EXPECT_EQ(c, handoff_conn_client(c));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_conn_connect_upstream(c, "tcp:127.0.0.1:1"));
}

TEST_F(PollPairTest, BothAreOneSession) {
  handoff_conn_t* const c = open_pair();
  handoff_conn_t* const up = handoff_conn_upstream(c);
  ASSERT_NE(nullptr, up);
  EXPECT_EQ(up, handoff_conn_upstream(up));
  EXPECT_EQ(c, handoff_conn_client(up));
  EXPECT_EQ(handoff_conn_id(c), handoff_conn_id(up));
  EXPECT_EQ(this, handoff_conn_user(up));
  EXPECT_EQ(-1, handoff_conn_fd(up));
  EXPECT_EQ(0, handoff_conn_connected(up));
  EXPECT_EQ(1, handoff_conn_connected(c));
  EXPECT_EQ(-EINVAL, handoff_conn_connect_upstream(c, "nowhere"));
  EXPECT_EQ(0, handoff_conn_write(up, "early ", 6)) << "waits for its socket";
  EXPECT_EQ(6U, handoff_conn_output_size(up));
  const UniqueFd upstream = give_upstream(up);
  EXPECT_EQ(1, handoff_conn_connected(up));
  EXPECT_EQ("early ", next(upstream));
  send_all(client_.get(), "to");
  EXPECT_EQ("to", next(upstream));
  send_all(upstream.get(), "fro");
  EXPECT_EQ("fro", next(client_));
  EXPECT_EQ(1U, handoff_poll_count(kit_));
  handoff_conn_close(up);
  EXPECT_EQ(1, handoff_conn_closing(c));
  EXPECT_EQ(-EPIPE, handoff_conn_connect_upstream(c, "tcp:127.0.0.1:1"));
  EXPECT_EQ("EOF", next(client_));
  EXPECT_EQ("EOF", next(upstream));
  EXPECT_THAT(heard_, ElementsAre("closed", "destroyed"));
}

// What was read from the first and its end are over; what was written waits for the second.
TEST_F(PollPairTest, AnotherUpstreamTakesThePlaceOfTheFirst) {
  handoff_conn_t* const c = open_pair();
  handoff_conn_t* const up = handoff_conn_upstream(c);
  const UniqueFd first = give_upstream(c);
  handoff_conn_pause(up);
  send_all(first.get(), "of the first");
  EXPECT_EQ(1, handoff_poll_once(kit_, 0));
  const UniqueFd second = give_upstream(c);
  handoff_conn_resume(up);
  EXPECT_EQ("EOF", next(first));
  send_all(second.get(), "of the second");
  EXPECT_EQ("of the second", next(client_));
  send_all(client_.get(), "to");
  EXPECT_EQ("to", next(second));
}

TEST_F(PollPairTest, AConnectThatIsRefusedAtOnceIsToldByTheLoop) {
  upstream_.refused = [](handoff_conn_t* up, int error) {
    of(handoff_conn_context(up)).heard_.push_back("refused " + std::to_string(error));
  };
  handoff_conn_t* const c = open_pair();
  ASSERT_EQ(0, handoff_conn_connect_upstream(c, "unix:/nowhere/at.all"));
  EXPECT_THAT(heard_, ElementsAre());
  turn_until([&] { return handoff_poll_count(kit_) == 0; });
  EXPECT_THAT(heard_, ElementsAre("refused " + std::to_string(ENOENT), "closed", "destroyed"));
}

// An input() of the batch in which the upstream has an event, too, names another.
TEST_F(PollPairTest, AnEventOfTheUpstreamBeforeIsNotTheAnswerToAConnect) {
  const UniqueFd full = listen_for_one();
  const UniqueFd first = connect_tcp(port_of(full.get()));
  other_ = address_of(full);
  upstream_.connected = [](handoff_conn_t* up) {
    of(handoff_conn_context(up)).heard_.push_back("connected");
  };
  handoff_conn_t* const c = open_pair([](handoff_conn_t* conn, const char*, std::size_t length) {
    const auto& self = static_cast<PollPairTest&>(of(handoff_conn_context(conn)));
    EXPECT_EQ(0, handoff_conn_connect_upstream(conn, self.other_.c_str()));
    return length;
  });
  const UniqueFd before = give_upstream(c);
  ASSERT_TRUE(rests());
  // Events come in the order in which sockets got ready.
  send_all(client_.get(), "another");
  send_all(before.get(), "of before");
  EXPECT_TRUE(rests());
  EXPECT_THAT(heard_, ElementsAre());
  EXPECT_EQ(0, handoff_conn_connected(handoff_conn_upstream(c)));
}

// ---- how pairs end -----------------------------------------------------------------------------

TEST_F(PollPairTest, AClientThatEndsBeforeThereIsAnUpstreamIsLetGo) {
  open_pair();
  ASSERT_EQ(0, ::shutdown(client_.get(), SHUT_WR));
  EXPECT_EQ("EOF", next(client_));
  EXPECT_THAT(heard_, ElementsAre("closed", "destroyed"));
}

// Of a Unix socket; TCP says it by a reset.
TEST_F(PollPairTest, WhatAnUpstreamWillNeverTakeIsAFailure) {
  const UniqueFd upstream = give_upstream(open_pair());
  ASSERT_EQ(0, ::shutdown(upstream.get(), SHUT_WR));
  EXPECT_EQ("EOF", next(client_));
  fill(client_);
  EXPECT_EQ(1U, handoff_poll_count(kit_));
  ASSERT_EQ(0, ::shutdown(upstream.get(), SHUT_RD));
  turn_until([&] { return handoff_poll_count(kit_) == 0; });
}

TEST_F(PollPairTest, ALoopRestsWhileOneOfAPairHasGoneAndTheOtherHasNotReadAll) {
  handoff_conn_t* const c = open_pair();
  UniqueFd upstream = give_upstream(c);
  fill(upstream);
  handoff_conn_close(c);
  upstream.reset();
  EXPECT_TRUE(rests());
  EXPECT_EQ(1U, handoff_poll_count(kit_));
  for (std::string got; got != "EOF";) {
    got = next(client_);
    ASSERT_NE("nothing", got);
  }
  EXPECT_EQ(0U, handoff_poll_count(kit_));
}

// ---- ends of a half, of one connection ---------------------------------------------------------

TEST_F(PollPairTest, AnEndThatIsAnsweredEndsTheConnectionOnceAllIsSent) {
  ops_.ended = [](handoff_conn_t* c) {
    of(handoff_conn_context(c)).heard_.push_back("ended");
    handoff_conn_write(c, "bye", 3);
    handoff_conn_end_output(c);
    EXPECT_EQ(-EPIPE, handoff_conn_write(c, "x", 1));
  };
  start();
  UniqueFd client = connect_tcp(port_of(handoff_named_fd(service_, "public")));
  send_all(client.get(), "all");
  EXPECT_EQ("all", next(client));
  ASSERT_EQ(0, ::shutdown(client.get(), SHUT_WR));
  EXPECT_EQ("bye", next(client));
  EXPECT_EQ("EOF", next(client));
  EXPECT_THAT(heard_, ElementsAre("ended", "closed", "destroyed"));
}

TEST_F(PollPairTest, AHalfThatTheServiceHasEndedLeavesTheOther) {
  start();
  UniqueFd client = connect_tcp(port_of(handoff_named_fd(service_, "public")));
  send_all(client.get(), "one");
  EXPECT_EQ("one", next(client));
  handoff_conn_end_output(conn_);
  EXPECT_EQ("EOF", next(client));
  const handoff_conn_t* const before = std::exchange(conn_, nullptr);
  send_all(client.get(), "two");
  turn_until([&] { return conn_ == before; });
  EXPECT_THAT(heard_, ElementsAre());
}

}  // namespace
}  // namespace handoff::test
