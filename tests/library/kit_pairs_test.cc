// Sessions with two connections: what goes through them, and that the two are never apart.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "kit_pairs.h"
#include "support/clients/line_client.h"
#include "support/clients/sockets.h"
#include "support/peers/raw_peer.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Layers, PairsTest, ::testing::ValuesIn(kPairLayers),
                         ::testing::PrintToStringParamName());

TEST_P(PairsTest, RelaysBothWaysThroughUpgrades) {
  start(options("1"));
  connect();
  for (int i = 0; i < 4; ++i) {
    client_->send("to " + std::to_string(i));
    EXPECT_EQ("to " + std::to_string(i), next(upstream_));
    to_client("fro " + std::to_string(i) + "\n");
    EXPECT_EQ("fro " + std::to_string(i) + "\n", client_->line());
    EXPECT_EQ(1U, hand_over());
  }
  client_->say("who");
  EXPECT_EQ("5\n", client_->line());
}

TEST_P(PairsTest, WhatNeitherSideReadsWaitsThroughUpgrades) {
  start(options("1"));
  connect();
  // More than sockets and high-water marks hold, each way.
  constexpr std::size_t kSize = std::size_t{24} << 20;
  std::string up(kSize, '\0');
  std::string down(kSize, '\0');
  for (std::size_t i = 0; i < kSize; ++i) {
    up[i] = static_cast<char>(i * 2654435761U >> 13);
    down[i] = static_cast<char>(i * 2654435761U >> 19);
  }
  struct Way {
    int from, to;
    const std::string& bytes;
    std::size_t sent = 0;
    std::string got = {};
  };
  Way ways[] = {{client_->fd(), upstream_.get(), up}, {upstream_.get(), client_->fd(), down}};
  // Sends until nothing is taken any more; nobody reads.
  const auto send_some = [](Way& way) {
    while (way.sent < way.bytes.size()) {
      const ssize_t n = ::send(way.from, way.bytes.data() + way.sent, way.bytes.size() - way.sent,
                               MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0) {
        way.sent += static_cast<std::size_t>(n);
        continue;
      }
      pollfd p{way.from, POLLOUT, 0};
      if (::poll(&p, 1, 100) != 1) return;
    }
  };
  const auto read_some = [](Way& way) {
    std::string buffer(std::size_t{1} << 20, '\0');
    const ssize_t n = ::recv(way.to, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) way.got.append(buffer, 0, static_cast<std::size_t>(n));
  };
  for (Way& way : ways) send_some(way);
  EXPECT_LT(ways[0].sent, kSize);
  EXPECT_LT(ways[1].sent, kSize);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(1U, hand_over());
    for (Way& way : ways) read_some(way);
  }
  const Deadline deadline = Deadline::patience();
  while (ways[0].got.size() < kSize || ways[1].got.size() < kSize) {
    ASSERT_FALSE(deadline.passed()) << ways[0].got.size() << " " << ways[1].got.size();
    pollfd both[] = {{client_->fd(), POLLIN, 0}, {upstream_.get(), POLLIN, 0}};
    for (int i = 0; i < 2; ++i) {
      if (ways[i].sent < kSize) both[i].events |= POLLOUT;
    }
    ::poll(both, 2, 1000);
    for (Way& way : ways) {
      const ssize_t n = ::send(way.from, way.bytes.data() + way.sent, way.bytes.size() - way.sent,
                               MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0) way.sent += static_cast<std::size_t>(n);
      read_some(way);
    }
  }
  EXPECT_TRUE(ways[0].got == up);
  EXPECT_TRUE(ways[1].got == down);
}

TEST_P(PairsTest, AHalfThatHasEndedStaysSo) {
  start(options("1"));
  connect();
  client_->send("request");
  ASSERT_EQ(0, ::shutdown(client_->fd(), SHUT_WR));
  EXPECT_EQ("request", next(upstream_));
  EXPECT_EQ("EOF", next(upstream_));
  EXPECT_EQ(1U, hand_over());
  to_client("answer\n");
  EXPECT_EQ("answer\n", client_->line());
  EXPECT_EQ(1U, hand_over());
  upstream_.reset();
  EXPECT_EQ("EOF", client_->line());
  EXPECT_EQ(0U, hand_over()) << "both halves of both have ended";
}

TEST_P(PairsTest, AnUpstreamThatEndsFirstIsToldToTheClient) {
  start(options("1"));
  connect();
  to_client("all\n");
  ASSERT_EQ(0, ::shutdown(upstream_.get(), SHUT_WR));
  EXPECT_EQ("all\n", client_->line());
  EXPECT_EQ("EOF", client_->line());
  EXPECT_EQ(1U, hand_over());
  client_->send("thanks");
  EXPECT_EQ("thanks", next(upstream_));
  client_.reset();
  EXPECT_EQ("EOF", next(upstream_));
  EXPECT_EQ(0U, hand_over());
}

TEST_P(PairsTest, AFailureOfOneResetsTheOther) {
  start(options("1"));
  for (const bool moved : {false, true}) {
    for (const bool of_the_client : {false, true}) {
      connect();
      client_->send("x");
      EXPECT_EQ("x", next(upstream_));
      if (moved) {
        EXPECT_EQ(1U, hand_over());
      }
      const linger now{1, 0};
      const int fails = of_the_client ? client_->fd() : upstream_.get();
      ::setsockopt(fails, SOL_SOCKET, SO_LINGER, &now, sizeof now);
      if (of_the_client) {
        client_.reset();
        EXPECT_EQ("RESET", next(upstream_));
      } else {
        upstream_.reset();
        EXPECT_EQ("RESET", client_->line());
      }
    }
  }
  EXPECT_EQ(0U, hand_over());
}

// The library ends the sending halves of what an heir has a copy of: that must not come first.
TEST_P(PairsTest, AFailureOfOneDuringACopyResetsTheOtherToo) {
  start(options("1"));
  connect();
  client_->send("x");
  EXPECT_EQ("x", next(upstream_));
  RawHeir heir(*owner_);
  v1::Hello hello = heir.hello();
  hello.set_session_fds(true);
  heir.send_hello(hello);
  heir.reach_copy_end();
  const linger now{1, 0};
  ::setsockopt(client_->fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  client_.reset();
  EXPECT_EQ("RESET", next(upstream_));
}

TEST_P(PairsTest, ASwitchWhileItConnectsChangesNothing) {
  // A queue for one connection, which is taken: the next is neither made nor refused.
  const UniqueFd full = listen_for_one();
  const UniqueFd first = connect_tcp(port_of(full.get()));
  PairOptions to_full = options("1");
  to_full.upstream = address_of(full);
  start(to_full);
  client_ = std::make_unique<LineClient>(address_);
  client_->say("who");
  EXPECT_EQ("1\n", client_->line());
  client_->send("early");
  EXPECT_EQ(1U, hand_over(to_full));
  const UniqueFd taken = accept_from(full);
  upstream_ = accept_from(full);
  std::string got;
  while (got.size() < 5) got += next(upstream_);
  EXPECT_EQ("early", got.substr(0, 5));
  to_client("welcome\n");
  EXPECT_THAT(client_->next_with("welcome"), HasSubstr("welcome"));
}

TEST_P(PairsTest, AnUpstreamThatRefusesEndsTheSessionOrIsTold) {
  const UniqueFd gone = listen_on_loopback();
  PairOptions refused = options("1");
  refused.upstream = address_of(gone);
  ::shutdown(gone.get(), SHUT_RDWR);  // it listens no more, and its port is nobody else's
  start(refused);
  EXPECT_EQ("RESET", LineClient(address_).line());
  owner_.reset();
  refused.apologizes = true;
  start(refused);
  LineClient told(address_);
  EXPECT_EQ("no upstream: " + std::to_string(ECONNREFUSED) + "\n", told.line());
  EXPECT_EQ("EOF", told.line());
  owner_.reset();
  refused.second = address_of(listener_);
  start(refused);
  connect();
  client_->send("x");
  EXPECT_EQ("x", next(upstream_));
  EXPECT_EQ(1U, hand_over(options("2")));
  to_client("y\n");
  EXPECT_EQ("y\n", client_->line());
}

// ---- both or neither ---------------------------------------------------------------------------

TEST_P(PairsTest, APairThatIsHeldMovesLaterAsAWhole) {
  start(options("1"));
  connect();
  client_->send("hold\n");
  EXPECT_EQ("hold\n", next(upstream_));
  begin(options("2"));
  heir_->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(1U, owner_->await_message<v1::Late>(Type::kLate).waiting());
  client_->send("who\n");
  EXPECT_EQ("1\n", client_->line());
  to_client("fro\n");
  EXPECT_EQ("fro\n", client_->line());
  client_->send("release\n");
  EXPECT_EQ("release\n", next(upstream_));
  owner_->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ(0, owner_->wait());
  client_->send("who\n");
  EXPECT_EQ("2\n", client_->line());
  to_client("fro\n");
  EXPECT_EQ("fro\n", client_->line());
  client_->send("to");
  EXPECT_EQ("to", next(upstream_));
}

TEST_P(PairsTest, APairThatIsRefusedStaysAsAWhole) {
  start(options("1"));
  connect();
  client_->send("x");
  EXPECT_EQ("x", next(upstream_));
  PairOptions refusing = options("2");
  refusing.refuses = true;
  begin(refusing);
  EXPECT_THAT(owner_->await_message<v1::Failed>(Type::kFailed).reason(), HasSubstr("refused"));
  EXPECT_EQ(3, heir_->wait());
  client_->send("to");
  EXPECT_EQ("to", next(upstream_));
  to_client("fro\n");
  EXPECT_EQ("fro\n", client_->line());
}

}  // namespace
}  // namespace handoff::test
