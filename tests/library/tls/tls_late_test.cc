// A handshake that is under way at the switch ends in the process before. What is said behind it is
// the next one's, on tls.hpp and on tls_poll.h.
#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "../../unit/tls/peer.h"
#include "support/peers/service_process.h"
#include "tls_client.h"
#include "tls_echo.h"

namespace handoff::test {
namespace {

using protocol::Type;
using tls::test::make_context;
using tls::test::SslContext;

class TlsLateTest : public testing::TestWithParam<TlsFace> {
 protected:
  void start() {
    options_.name = "first";
    first_ = std::make_unique<ServiceProcess>(1, tls_echo(options_));
    address_ = first_->await_message<v1::Owner>(Type::kOwner).named(0).address();
  }
  // One whose handshake is under way; the service has read of it.
  std::unique_ptr<TlsClient> slow() const {
    auto out = std::make_unique<TlsClient>(clients_.get(), address_);
    out->shake_half_a_hand();
    TlsClient other(clients_.get(), address_);
    EXPECT_TRUE(other.shake_hands());
    EXPECT_EQ("welcome\n", other.line());
    return out;
  }
  void upgrade() {
    options_.name = "second";
    second_ = start_heir(*first_, 2, tls_echo(options_));
    second_->await_message<v1::Owner>(Type::kOwner);
  }
  // tls.hpp's echo counts lines.
  std::string answer(const std::string& line) const {
    return (GetParam() == TlsFace::kCpp ? "second 1 " : "second") + line + "\n";
  }

  SslContext context_ = make_context();
  SslContext clients_ = make_context();
  TlsEchoOptions options_{.face = GetParam(), .ssl = context_.get(), .lines = true};
  std::string address_;
  std::unique_ptr<ServiceProcess> first_, second_;
};
INSTANTIATE_TEST_SUITE_P(Faces, TlsLateTest, testing::Values(TlsFace::kCpp, TlsFace::kPoll),
                         [](const auto& row) { return row.index == 0 ? "TlsHpp" : "TlsPoll"; });

TEST_P(TlsLateTest, WhatComesBehindIsForTheNextProcess) {
  start();
  const auto silent = slow(), client = slow();
  upgrade();
  EXPECT_EQ(2U, first_->await_message<v1::Late>(Type::kLate).waiting());
  for (TlsClient* const late : {silent.get(), client.get()}) {
    ASSERT_TRUE(late->shake_hands());
    if (late == client.get()) {
      ASSERT_TRUE(late->write("one\n"));
    }
    EXPECT_EQ("welcome\n", late->line()) << "from the process before";
    EXPECT_EQ("secure second\n", late->line());
  }
  EXPECT_EQ(answer("one"), client->line());
  ASSERT_TRUE(silent->write("two\n"));
  EXPECT_EQ(answer("two"), silent->line());
  EXPECT_EQ(0, first_->wait());
}

TEST_P(TlsLateTest, AnEndBehindItIsAnEnd) {
  start();
  const auto client = slow();
  upgrade();
  ASSERT_TRUE(client->shake_hands());
  ASSERT_TRUE(client->write("last\n"));
  SSL_shutdown(client->ssl());
  EXPECT_EQ("welcome\nsecure second\n" + answer("last"), client->read(100));
  EXPECT_EQ(SSL_ERROR_ZERO_RETURN, client->error()) << "close_notify";
  EXPECT_EQ(0, first_->wait());
}

// What shares nothing may be served wherever it is: a late process has a share of such sessions in
// a progressive upgrade, and does not give them away.
TEST_P(TlsLateTest, AnIndependentSessionIsServedWhereItsHandshakeEnds) {
  options_.independent = true;
  start();
  const auto client = slow();
  upgrade();
  ASSERT_TRUE(client->shake_hands());
  EXPECT_EQ("welcome\n", client->line());
  EXPECT_EQ("secure first\n", client->line());
  EXPECT_EQ(0, first_->wait()) << "it has moved all the same";
  ASSERT_TRUE(client->write("one\n"));
  EXPECT_EQ(answer("one"), client->line());
}

}  // namespace
}  // namespace handoff::test
