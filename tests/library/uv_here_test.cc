// Ends that come in odd moments, at Streams and at pairs of uv.hpp: what ends, what is told, and
// that the loop rests meanwhile.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/process/files.h"
#include "upstream.h"
#include "uv_here.h"

namespace handoff::test {
namespace {

// Relays to an upstream that the test names, and says what it hears.
class Heard final : public uv::Pair {
 public:
  explicit Heard(std::vector<std::string>& heard, bool pauses = false) : heard_(heard) {
    if (pauses) pause_upstream();
  }
  std::size_t on_upstream(std::string_view input) override {
    heard_.push_back("upstream: " + std::string(input));
    return Pair::on_upstream(input);
  }
  void on_upstream_connected() override { heard_.push_back("connected"); }
  void on_upstream_end() override {
    heard_.push_back("upstream's end");
    Pair::on_upstream_end();
  }
  void on_upstream_refused(int) override {
    heard_.push_back("refused");
    if (other_ >= 0 && adopt_upstream(std::exchange(other_, -1)) < 0) heard_.push_back("failed");
  }
  void on_closed() override { heard_.push_back("closed"); }

  int other_ = -1;  // becomes the upstream where another is refused

 private:
  std::vector<std::string>& heard_;
};

// As Heard, but waits for a whole line before it does anything.
class Patient final : public uv::Pair {
 public:
  explicit Patient(bool pauses) {
    if (pauses) pause_upstream();
  }
  std::size_t on_input(std::string_view) override { return 0; }
};

class UvPairHereTest : public UvHereTest {
 protected:
  Heard& pair(bool pauses = false) {
    serve([this, pauses] { return std::make_unique<Heard>(heard_, pauses); });
    return static_cast<Heard&>(connect());
  }
  bool said(const std::string& what) const {
    return std::find(heard_.begin(), heard_.end(), what) != heard_.end();
  }
  // Both ends of a Unix stream; the first is the pair's upstream.
  void adopt_unix(Heard& pair) {
    int ends[2];
    ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
    upstream_.reset(ends[1]);
    ASSERT_EQ(0, pair.adopt_upstream(ends[0]));
  }

  std::vector<std::string> heard_;
};

TEST_F(UvPairHereTest, AClientThatEndsBeforeItHasNamedAnUpstreamIsLetGo) {
  bool pauses = false;
  serve([&] { return std::make_unique<Patient>(pauses); });
  for (; !pauses; pauses = true) {
    connect();
    send_all(client_.get(), "half a line");
    ASSERT_EQ(0, ::shutdown(client_.get(), SHUT_WR));
    EXPECT_EQ("EOF", next(client_));
    turn_until([&] { return host_->size() == 0; });
  }
  connect();
  ASSERT_EQ(0, ::shutdown(client_.get(), SHUT_WR));
  EXPECT_EQ("EOF", next(client_)) << "its constructor had made the upstream's Stream";
  turn_until([&] { return host_->size() == 0; });
}

TEST_F(UvPairHereTest, AnUpstreamThatIsPausedInTheConstructorIsRead) {
  Heard& relay = pair(true);
  const UniqueFd listener = listen_on_loopback();
  ASSERT_EQ(0, relay.connect(address_of(listener)));
  upstream_ = accept_from(listener);
  send_all(upstream_.get(), "early");
  turn_until([&] { return said("connected"); });
  EXPECT_TRUE(rests());
  EXPECT_FALSE(said("upstream: early"));
  relay.resume_upstream();
  EXPECT_EQ("early", next(client_));
}

// Of a Unix socket; TCP says it by a reset.
TEST_F(UvPairHereTest, WhatAnUpstreamWillNeverTakeIsAFailure) {
  adopt_unix(pair());
  ASSERT_EQ(0, ::shutdown(upstream_.get(), SHUT_WR));
  EXPECT_EQ("EOF", next(client_));
  fill(client_);
  ASSERT_EQ(0, ::shutdown(upstream_.get(), SHUT_RD));
  turn_until([&] { return host_->size() == 0; });
  pollfd p{client_.get(), POLLOUT, 0};
  EXPECT_EQ(1, ::poll(&p, 1, 10'000));
  EXPECT_NE(0, p.revents & (POLLERR | POLLHUP)) << "the client is reset";
}

TEST_F(UvPairHereTest, ALoopRestsWhileOneOfAPairHasGoneAndTheOtherHasNotReadAll) {
  Heard& relay = pair();
  adopt_unix(relay);
  fill(upstream_);
  relay.close();
  turn_until([&] { return relay.closing(); });
  upstream_.reset();
  EXPECT_TRUE(rests());
  EXPECT_EQ(1U, host_->size());
  for (std::string got; got != "EOF";) {
    got = next(client_);
    ASSERT_NE("RESET", got);
  }
  client_.reset();
  turn_until([&] { return host_->size() == 0; });
}

TEST_F(UvPairHereTest, AnUpstreamInPlaceOfOneThatHasEndedIsWhole) {
  Heard& relay = pair();
  adopt_unix(relay);
  ASSERT_EQ(0, ::shutdown(upstream_.get(), SHUT_WR));
  turn_until([&] { return said("upstream's end"); });
  heard_.clear();
  adopt_unix(relay);
  send_all(client_.get(), "to");
  EXPECT_EQ("to", next(upstream_));
  send_all(upstream_.get(), "fro");
  turn_until([&] { return said("upstream: fro"); });
  ASSERT_EQ(0, ::shutdown(upstream_.get(), SHUT_WR));
  turn_until([&] { return said("upstream's end"); });
}

TEST_F(UvPairHereTest, ARefusalMayBeAnsweredWithASocket) {
  Heard& relay = pair();
  int ends[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
  upstream_.reset(ends[1]);
  relay.other_ = ends[0];
  ASSERT_EQ(0, relay.connect("unix:/nowhere/at.all"));
  turn_until([&] { return said("refused"); });
  send_all(client_.get(), "to");
  EXPECT_EQ("to", next(upstream_));
  send_all(upstream_.get(), "fro");
  EXPECT_EQ("fro", next(client_));
}

// An on_input() of the batch in which the upstream has an event, too, names another.
class Renaming final : public uv::Pair {
 public:
  Renaming(std::string second, std::vector<std::string>& heard)
      : second_(std::move(second)), heard_(heard) {}
  std::size_t on_input(std::string_view input) override {
    EXPECT_EQ(0, Pair::connect(second_));
    return input.size();
  }
  void on_upstream_connected() override { heard_.push_back("connected"); }

 private:
  std::string second_;
  std::vector<std::string>& heard_;
};

TEST_F(UvPairHereTest, AnEventOfTheUpstreamBeforeIsNotTheAnswerToAConnect) {
  const UniqueFd full = listen_for_one();
  const UniqueFd first = connect_tcp(port_of(full.get()));
  serve([&] { return std::make_unique<Renaming>(address_of(full), heard_); });
  auto& relay = static_cast<Renaming&>(connect());
  int ends[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
  upstream_.reset(ends[1]);
  ASSERT_EQ(0, relay.adopt_upstream(ends[0]));
  ASSERT_TRUE(rests());
  // Events come in the order in which sockets got ready.
  send_all(client_.get(), "another");
  send_all(upstream_.get(), "of before");
  EXPECT_TRUE(rests());
  EXPECT_FALSE(said("connected"));
  EXPECT_FALSE(relay.upstream_connected());
}

// ---- single Streams

class Outgoing final : public uv::Stream {
 public:
  explicit Outgoing(std::function<void()> opened = {}) : opened_(std::move(opened)) {}
  std::size_t on_input(std::string_view input) override { return input.size(); }
  std::string save() const override { return {}; }
  void on_open(bool) override {
    if (opened_) opened_();
  }

 private:
  std::function<void()> opened_;
};

class UvOutgoingHereTest : public UvHereTest {
 protected:
  void start() {
    host_->outgoing("uplink", [](std::string_view) { return std::make_unique<Outgoing>(); });
    host_->start();
  }
};

TEST_F(UvOutgoingHereTest, WhatOnOpenThrowsLeavesTheSocketToTheCaller) {
  start();
  const auto throwing = [] {
    return std::make_unique<Outgoing>([] { throw std::runtime_error("no"); });
  };
  int ends[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
  upstream_.reset(ends[1]);
  const UniqueFd mine(ends[0]);
  EXPECT_THROW(host_->adopt("uplink", mine.get(), throwing()), std::runtime_error);
  const UniqueFd listener = listen_on_loopback();
  EXPECT_THROW(host_->connect("uplink", address_of(listener), throwing()), std::runtime_error);
  EXPECT_TRUE(rests());
  EXPECT_EQ(0U, host_->size());
  send_all(upstream_.get(), "x");
  EXPECT_EQ("x", handoff::test::next(mine)) << "it is open, and nobody else's";
  const UniqueFd accepted = accept_from(listener);
  EXPECT_EQ("EOF", handoff::test::next(accepted));
}

TEST_F(UvHereTest, AnOnOpenThatThrowsEndsItsConnectionAlone) {
  bool throws = true;
  serve([&] {
    return std::make_unique<Outgoing>([&] {
      if (std::exchange(throws, false)) throw std::runtime_error("no");
    });
  });
  const UniqueFd refused = connect_tcp(port_of(service_->named_fd("public")));
  EXPECT_EQ("EOF", next(refused));
  connect();
  EXPECT_TRUE(rests());
  EXPECT_EQ(1U, host_->size());
}

}  // namespace
}  // namespace handoff::test
