// Ends that come in odd moments at the Pairs of uv_pair.hpp and asio_pair.hpp: what ends, what is
// told, and that the loop rests meanwhile. In this process, without a supervisor.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "kit_here.h"
#include "support/clients/sockets.h"
#include "support/process/deadline.h"
#include "upstream.h"

namespace handoff::test {
namespace {

// Relays to an upstream that the test names, and says what it hears.
template <class Pair>
class Heard final : public Pair {
 public:
  explicit Heard(std::vector<std::string>& heard, bool pauses = false) : heard_(heard) {
    if (pauses) this->pause_upstream();
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
    if (other_ >= 0 && this->adopt_upstream(std::exchange(other_, -1)) < 0) {
      heard_.push_back("failed");
    }
    if (!apologizes_) return;
    this->write("away");
    this->close();
  }
  void on_closed() override { heard_.push_back("closed"); }

  int other_ = -1;  // becomes the upstream where another is refused
  bool apologizes_ = false;

 private:
  std::vector<std::string>& heard_;
};

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

template <class Loop>
class PairHereTest : public ::testing::Test {
 protected:
  using Pair = typename Loop::Pair;

  typename Loop::Host& host() { return loop_.host(); }
  template <class Make>
  void serve(Make make) {
    host().listen("public", "tcp:127.0.0.1:0", make, [make](std::string_view) { return make(); });
    host().start();
  }
  // The only Stream, of a new client.
  typename Loop::Stream& connect() {
    typename Loop::Stream* out = nullptr;
    client_ = connect_tcp(port_of(host().service().named_fd("public")));
    turn_until([&] { return host().size() == 1; });
    host().for_each([&](typename Loop::Stream& s) { out = &s; });
    return *out;
  }
  Heard<Pair>& pair(bool pauses = false) {
    serve([this, pauses] { return std::make_unique<Heard<Pair>>(heard_, pauses); });
    return static_cast<Heard<Pair>&>(connect());
  }
  // Gives it one end of a Unix stream as its upstream.
  void adopt_unix(Pair& pair) {
    int ends[2];
    ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
    upstream_.reset(ends[1]);
    ASSERT_EQ(0, pair.adopt_upstream(ends[0]));
  }
  // Turns the loop until so is true; a test that waits in vain fails.
  template <class F>
  void turn_until(F&& so) {
    const Deadline deadline = Deadline::patience();
    while (!so()) {
      ASSERT_FALSE(deadline.passed()) << "it never comes to that";
      pollfd p{loop_.fd(), POLLIN, 0};
      ::poll(&p, 1, 10);
      loop_.turn();
    }
  }
  // Whether the loop has nothing to do, once what is on its way has come.
  bool rests() {
    for (int i = 0; i < 20; ++i) {
      if (!loop_.turn()) return true;
    }
    return false;
  }
  // The next bytes of the Host; "EOF" or "RESET".
  std::string next(const UniqueFd& fd) {
    std::string out(4096, '\0');
    ssize_t n = -1;
    turn_until([&] {
      n = ::recv(fd.get(), out.data(), out.size(), MSG_DONTWAIT);
      return n >= 0 || errno != EAGAIN;
    });
    if (n < 0) return "RESET";
    return n == 0 ? "EOF" : out.substr(0, static_cast<std::size_t>(n));
  }
  // Sends as much as the Host and the sockets take.
  void fill(const UniqueFd& fd) {
    const std::string block(std::size_t{1} << 16, 'x');
    int full = 0;
    turn_until([&] {
      while (::send(fd.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        full = 0;
      }
      return ++full > 20 && rests();
    });
  }
  bool said(const std::string& what) const {
    return std::find(heard_.begin(), heard_.end(), what) != heard_.end();
  }

  std::vector<std::string> heard_;
  Loop loop_;
  UniqueFd client_;
  UniqueFd upstream_;
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

// ---- of asio_pair.hpp alone --------------------------------------------------------------------

using AsioPairHereTest = PairHereTest<AsioLoop>;

class Throwing final : public handoff::asio::Pair {
 public:
  std::size_t on_upstream(std::string_view input) override {
    if (input == "throw") throw std::runtime_error("on_upstream");
    return Pair::on_upstream(input);
  }
  void on_upstream_end() override { throw std::runtime_error("on_upstream_end"); }
};

TEST_F(AsioPairHereTest, WhatOnUpstreamThrowsEndsItsSession) {
  serve([] { return std::make_unique<Throwing>(); });
  auto& relay = static_cast<Throwing&>(connect());
  adopt_unix(relay);
  send_all(upstream_.get(), "fro");
  EXPECT_EQ("fro", next(client_));
  send_all(upstream_.get(), "throw");
  EXPECT_EQ("RESET", next(client_));
  EXPECT_EQ("EOF", next(upstream_)) << "a Unix socket has no reset";
  EXPECT_EQ(0U, host().size());
}

TEST_F(AsioPairHereTest, WhatAnotherCallThrowsIsALine) {
  serve([] { return std::make_unique<Throwing>(); });
  auto& relay = static_cast<Throwing&>(connect());
  adopt_unix(relay);
  ASSERT_EQ(0, ::shutdown(upstream_.get(), SHUT_WR));
  EXPECT_TRUE(rests());
  send_all(client_.get(), "to");
  EXPECT_EQ("to", next(upstream_));
}

class Single final : public handoff::asio::Stream {
 public:
  std::size_t on_input(std::string_view input) override { return input.size(); }
  std::string save() const override { return {}; }
};

// Of what a listener is its restore says.
TEST_F(AsioPairHereTest, AStreamOfTheWrongClassIsRefused) {
  const auto single = [](auto&&...) { return std::make_unique<Single>(); };
  const auto relay = [](auto&&...) { return std::make_unique<Throwing>(); };
  host().listen("public", "tcp:127.0.0.1:0", relay, single);
  host().outgoing("one", single);
  host().outgoing("two", relay);
  host().start();
  client_ = connect_tcp(port_of(host().service().named_fd("public")));
  EXPECT_EQ("EOF", next(client_));
  const UniqueFd listener = listen_on_loopback();
  EXPECT_THROW(host().connect("one", address_of(listener), relay()), std::runtime_error);
  EXPECT_THROW(host().connect("two", address_of(listener), single()), std::runtime_error);
  EXPECT_TRUE(rests());
  EXPECT_EQ(0U, host().size());
  handoff::asio::Stream& s = host().connect("two", address_of(listener), relay());
  EXPECT_EQ(-1, static_cast<Throwing&>(s).upstream_fd());
  EXPECT_EQ(1U, host().size());
}

}  // namespace
}  // namespace handoff::test
