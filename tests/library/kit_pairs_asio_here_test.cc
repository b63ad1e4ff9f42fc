// What asio_pair.hpp alone does: with exceptions, and with a Stream of the wrong class. In this
// process, without a supervisor.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "kit_pairs_here.h"
#include "support/clients/sockets.h"
#include "upstream.h"

namespace handoff::test {
namespace {

using AsioPairHereTest = PairHereTest<AsioLoop>;

class ThrowingPair final : public handoff::asio::Pair {
 public:
  std::size_t on_upstream(std::string_view input) override {
    if (input == "throw") throw std::runtime_error("on_upstream");
    return Pair::on_upstream(input);
  }
  void on_upstream_end() override { throw std::runtime_error("on_upstream_end"); }
};

TEST_F(AsioPairHereTest, WhatOnUpstreamThrowsEndsItsSession) {
  serve([] { return std::make_unique<ThrowingPair>(); });
  auto& relay = static_cast<ThrowingPair&>(connect());
  adopt_unix(relay);
  send_all(upstream_.get(), "fro");
  EXPECT_EQ("fro", next(client_));
  send_all(upstream_.get(), "throw");
  EXPECT_EQ("RESET", next(client_));
  EXPECT_EQ("EOF", next(upstream_)) << "a Unix socket has no reset";
  EXPECT_EQ(0U, host().size());
}

TEST_F(AsioPairHereTest, WhatAnotherCallThrowsIsALine) {
  serve([] { return std::make_unique<ThrowingPair>(); });
  auto& relay = static_cast<ThrowingPair&>(connect());
  adopt_unix(relay);
  ASSERT_EQ(0, ::shutdown(upstream_.get(), SHUT_WR));
  EXPECT_TRUE(rests());
  send_all(client_.get(), "to");
  EXPECT_EQ("to", next(upstream_));
}

class SingleStream final : public handoff::asio::Stream {
 public:
  std::size_t on_input(std::string_view input) override { return input.size(); }
  std::string save() const override { return {}; }
};

// Of what a listener is its restore says.
TEST_F(AsioPairHereTest, AStreamOfTheWrongClassIsRefused) {
  const auto single = [](auto&&...) { return std::make_unique<SingleStream>(); };
  const auto relay = [](auto&&...) { return std::make_unique<ThrowingPair>(); };
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
  EXPECT_EQ(-1, static_cast<ThrowingPair&>(s).upstream_fd());
  EXPECT_EQ(1U, host().size());
}

}  // namespace
}  // namespace handoff::test
