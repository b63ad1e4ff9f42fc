// Ends that come in odd moments at the Pairs of uv_pair.hpp and asio_pair.hpp: what ends, what is
// told, and that the loop rests meanwhile. In this process, without a supervisor.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "kit_pairs_here.h"
#include "support/clients/sockets.h"
#include "upstream.h"

namespace handoff::test {
namespace {

// Waits for a whole line before it does anything.
template <class Pair>
class Patient final : public Pair {
 public:
  explicit Patient(bool pauses) {
    if (pauses) this->pause_upstream();
  }
  std::size_t on_input(std::string_view) override { return 0; }
};

// Names another upstream whatever it hears.
template <class Pair>
class Renaming final : public Pair {
 public:
  Renaming(std::string second, std::vector<std::string>& heard)
      : second_(std::move(second)), heard_(heard) {}
  std::size_t on_input(std::string_view input) override {
    EXPECT_EQ(0, this->connect(second_));
    return input.size();
  }
  void on_upstream_connected() override { heard_.push_back("connected"); }

 private:
  std::string second_;
  std::vector<std::string>& heard_;
};

// Names another upstream while it looks at what the first one says, of which it takes a byte.
template <class Pair>
class Replacing final : public Pair {
 public:
  Replacing(int second, std::vector<std::string>& heard) : second_(second), heard_(heard) {}
  std::size_t on_upstream(std::string_view input) override {
    heard_.emplace_back(input);
    if (second_ < 0) return input.size();
    if (input.size() < least_) return 0;
    EXPECT_EQ(0, this->adopt_upstream(std::exchange(second_, -1)));
    return 1;
  }

  std::size_t least_ = 1;  // so many bytes of the first are waited for

 private:
  int second_;
  std::vector<std::string>& heard_;
};

struct LoopName {
  template <class Loop>
  static std::string GetName(int) {
    return std::is_same_v<Loop, UvLoop> ? "Uv" : "Asio";
  }
};
using Loops = ::testing::Types<UvLoop, AsioLoop>;
TYPED_TEST_SUITE(PairHereTest, Loops, LoopName);

TYPED_TEST(PairHereTest, AClientThatEndsBeforeItHasNamedAnUpstreamIsLetGo) {
  bool pauses = false;
  this->serve([&] { return std::make_unique<Patient<typename TypeParam::Pair>>(pauses); });
  for (; !pauses; pauses = true) {
    this->connect();
    send_all(this->client_.get(), "half a line");
    ASSERT_EQ(0, ::shutdown(this->client_.get(), SHUT_WR));
    EXPECT_EQ("EOF", this->next(this->client_));
    this->turn_until([&] { return this->host().size() == 0; });
  }
  this->connect();
  ASSERT_EQ(0, ::shutdown(this->client_.get(), SHUT_WR));
  EXPECT_EQ("EOF", this->next(this->client_)) << "its constructor had spoken of the upstream";
  this->turn_until([&] { return this->host().size() == 0; });
}

TYPED_TEST(PairHereTest, AClientThatEndsBeforeItIsToldOfARefusalGetsTheLastAnswer) {
  auto& relay = this->pair();
  relay.apologizes_ = true;
  ASSERT_EQ(0, ::shutdown(this->client_.get(), SHUT_WR));
  ASSERT_EQ(0, relay.connect("unix:/nowhere/at.all"));
  EXPECT_EQ("away", this->next(this->client_));
  EXPECT_EQ("EOF", this->next(this->client_));
}

TYPED_TEST(PairHereTest, AnUpstreamThatIsPausedInTheConstructorIsRead) {
  auto& relay = this->pair(true);
  const UniqueFd listener = listen_on_loopback();
  ASSERT_EQ(0, relay.connect(address_of(listener)));
  this->upstream_ = accept_from(listener);
  send_all(this->upstream_.get(), "early");
  this->turn_until([&] { return this->said("connected"); });
  EXPECT_TRUE(this->rests());
  EXPECT_FALSE(this->said("upstream: early"));
  relay.resume_upstream();
  EXPECT_EQ("early", this->next(this->client_));
}

// Of a Unix socket; TCP says it by a reset.
TYPED_TEST(PairHereTest, WhatAnUpstreamWillNeverTakeIsAFailure) {
  this->adopt_unix(this->pair());
  ASSERT_EQ(0, ::shutdown(this->upstream_.get(), SHUT_WR));
  EXPECT_EQ("EOF", this->next(this->client_));
  this->fill(this->client_);
  ASSERT_EQ(0, ::shutdown(this->upstream_.get(), SHUT_RD));
  this->turn_until([&] { return this->host().size() == 0; });
  pollfd p{this->client_.get(), POLLOUT, 0};
  EXPECT_EQ(1, ::poll(&p, 1, 10'000));
  EXPECT_NE(0, p.revents & (POLLERR | POLLHUP)) << "the client is reset";
}

TYPED_TEST(PairHereTest, ALoopRestsWhileOneOfAPairHasGoneAndTheOtherHasNotReadAll) {
  auto& relay = this->pair();
  this->adopt_unix(relay);
  this->fill(this->upstream_);
  relay.close();
  this->turn_until([&] { return relay.closing(); });
  this->upstream_.reset();
  EXPECT_TRUE(this->rests());
  EXPECT_EQ(1U, this->host().size());
  for (std::string got; got != "EOF";) {
    got = this->next(this->client_);
    ASSERT_NE("RESET", got);
  }
  this->client_.reset();
  this->turn_until([&] { return this->host().size() == 0; });
}

TYPED_TEST(PairHereTest, AnUpstreamInPlaceOfOneThatHasEndedIsWhole) {
  auto& relay = this->pair();
  this->adopt_unix(relay);
  ASSERT_EQ(0, ::shutdown(this->upstream_.get(), SHUT_WR));
  this->turn_until([&] { return this->said("upstream's end"); });
  this->heard_.clear();
  this->adopt_unix(relay);
  send_all(this->client_.get(), "to");
  EXPECT_EQ("to", this->next(this->upstream_));
  send_all(this->upstream_.get(), "fro");
  this->turn_until([&] { return this->said("upstream: fro"); });
  ASSERT_EQ(0, ::shutdown(this->upstream_.get(), SHUT_WR));
  this->turn_until([&] { return this->said("upstream's end"); });
}

// Of the first read, and of input that had waited.
TYPED_TEST(PairHereTest, WhatAnUpstreamHasLeftIsOverOnceAnotherIsInItsPlace) {
  using Relay = Replacing<typename TypeParam::Pair>;
  int second = -1;
  this->serve([&] { return std::make_unique<Relay>(second, this->heard_); });
  for (const bool waits : {false, true}) {
    this->heard_.clear();
    int ends[2];
    ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
    const UniqueFd other(ends[1]);
    second = ends[0];
    auto& relay = static_cast<Relay&>(this->connect());
    this->adopt_unix(relay);
    if (waits) {
      relay.least_ = 6;
      send_all(this->upstream_.get(), "old");
      this->turn_until([&] { return this->said("old"); });
    }
    send_all(this->upstream_.get(), waits ? "est" : "oldest");
    this->turn_until([&] { return this->said("oldest"); });
    send_all(other.get(), "new");
    this->turn_until([&] { return this->heard_.back() != "oldest"; });
    EXPECT_EQ("new", this->heard_.back());
    this->client_.reset();
    EXPECT_EQ("EOF", this->next(other));
    ASSERT_EQ(0, ::shutdown(other.get(), SHUT_WR));
    this->turn_until([&] { return this->host().size() == 0; });
  }
}

TYPED_TEST(PairHereTest, ARefusalMayBeAnsweredWithASocket) {
  auto& relay = this->pair();
  int ends[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
  this->upstream_.reset(ends[1]);
  relay.other_ = ends[0];
  ASSERT_EQ(0, relay.connect("unix:/nowhere/at.all"));
  this->turn_until([&] { return this->said("refused"); });
  send_all(this->client_.get(), "to");
  EXPECT_EQ("to", this->next(this->upstream_));
  send_all(this->upstream_.get(), "fro");
  EXPECT_EQ("fro", this->next(this->client_));
}

TYPED_TEST(PairHereTest, AnAddressThatCanNotBeIsRefusedAtOnce) {
  auto& relay = this->pair();
  EXPECT_EQ(-EINVAL, relay.connect("nowhere"));
  EXPECT_EQ(-1, relay.upstream_fd());
  EXPECT_TRUE(this->rests());
  EXPECT_THAT(this->heard_, ::testing::IsEmpty());
}

TYPED_TEST(PairHereTest, BytesForAnUpstreamThatIsNotNamedYetWaitForIt) {
  auto& relay = this->pair();
  relay.write_upstream("early ");
  EXPECT_EQ(6U, relay.upstream_output_size());
  EXPECT_FALSE(relay.upstream_connected());
  this->adopt_unix(relay);
  EXPECT_TRUE(relay.upstream_connected());
  EXPECT_EQ("early ", this->next(this->upstream_));
  EXPECT_EQ(0U, relay.upstream_output_size());
  relay.end_upstream();
  EXPECT_EQ("EOF", this->next(this->upstream_));
}

// An on_input() of the batch in which the upstream has an event, too, names another.
TYPED_TEST(PairHereTest, AnEventOfTheUpstreamBeforeIsNotTheAnswerToAConnect) {
  using Relay = Renaming<typename TypeParam::Pair>;
  const UniqueFd full = listen_for_one();
  const UniqueFd first = connect_tcp(port_of(full.get()));
  this->serve([&] { return std::make_unique<Relay>(address_of(full), this->heard_); });
  auto& relay = static_cast<Relay&>(this->connect());
  this->adopt_unix(relay);
  ASSERT_TRUE(this->rests());
  // Events come in the order in which sockets got ready.
  send_all(this->client_.get(), "another");
  send_all(this->upstream_.get(), "of before");
  EXPECT_TRUE(this->rests());
  EXPECT_FALSE(this->said("connected"));
  EXPECT_FALSE(relay.upstream_connected());
}

}  // namespace
}  // namespace handoff::test
