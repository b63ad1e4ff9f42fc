// tls_poll.h through real handoffs, also from and to tls.hpp. TlsMoveTest has the rest.
#include <gmock/gmock.h>

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

class TlsPollTest : public testing::Test {
 protected:
  void start() {
    service_ = std::make_unique<ServiceProcess>(1, tls_echo(options_));
    address_ = service_->await_message<v1::Owner>(Type::kOwner).named(0).address();
  }
  void upgrade(TlsFace face) {
    options_.face = face;
    auto heir = start_heir(*service_, ++generation_, tls_echo(options_));
    heir->await_message<v1::Owner>(Type::kOwner);
    EXPECT_EQ(0, service_->wait());
    service_ = std::move(heir);
  }
  SslContext context_ = make_context();
  SslContext clients_ = make_context();
  TlsEchoOptions options_{.face = TlsFace::kPoll, .ssl = context_.get()};
  std::uint64_t generation_ = 1;
  std::unique_ptr<ServiceProcess> service_;
  std::string address_;
};

TEST_F(TlsPollTest, HandsOverToTlsHppAndBack) {
  start();
  TlsClient client(clients_.get(), address_);
  ASSERT_TRUE(client.shake_hands());
  TlsClient silent(clients_.get(), address_);
  ASSERT_EQ("one", client.ask("one"));
  for (const TlsFace face : {TlsFace::kCpp, TlsFace::kPoll, TlsFace::kAsio, TlsFace::kPoll}) {
    upgrade(face);
    ASSERT_EQ("and on", client.ask("and on"));
  }
  ASSERT_TRUE(silent.shake_hands());
  ASSERT_EQ("late", silent.ask("late"));
}

TEST_F(TlsPollTest, AGreetingAndHalfALongLineMove) {
  options_.lines = true;
  start();
  TlsClient client(clients_.get(), address_);
  TlsClient other(clients_.get(), address_);
  ASSERT_TRUE(client.shake_hands());
  ASSERT_TRUE(other.shake_hands());
  ASSERT_EQ("welcome\n", client.read(8));
  ASSERT_EQ("welcome\n", other.read(8));
  TlsClient silent(clients_.get(), address_);
  const std::string half(70'000, 'x');
  ASSERT_TRUE(client.write("one\n"));
  ASSERT_EQ("one\n", client.read(4));
  ASSERT_TRUE(client.write(half));
  ASSERT_TRUE(other.write("pause\n"));
  ASSERT_EQ("pause\n", other.read(6));
  ASSERT_TRUE(other.write("then\n"));
  upgrade(TlsFace::kPoll);
  EXPECT_EQ("then\n", other.read(5)) << "a pause does not move";
  ASSERT_TRUE(client.write("y\n"));
  EXPECT_EQ(half + "y\n", client.read(half.size() + 2));
  ASSERT_TRUE(silent.shake_hands());
  EXPECT_EQ("welcome\n", silent.read(8));
  ASSERT_TRUE(client.write("close\n"));
  EXPECT_EQ("close\n", client.read(100));
  EXPECT_EQ(SSL_ERROR_ZERO_RETURN, client.error()) << "close_notify";
}

TEST_F(TlsPollTest, ThereIsATimeForAHandshake) {
  options_.handshake_ms = 1000;
  start();
  TlsClient quick(clients_.get(), address_);
  ASSERT_TRUE(quick.shake_hands());
  TlsClient silent(clients_.get(), address_);
  TlsClient slow(clients_.get(), address_);
  slow.shake_half_a_hand();
  EXPECT_TRUE(silent.is_ended());
  EXPECT_TRUE(slow.is_ended());
  EXPECT_EQ("still", quick.ask("still"));
}

TEST_F(TlsPollTest, KeysAreGivenToNobodyWhoSpeaksNoTls) {
  start();
  TlsClient client(clients_.get(), address_);
  ASSERT_TRUE(client.shake_hands());
  ASSERT_EQ("hello", client.ask("hello"));
  options_.plain = true;
  const auto heir = start_heir(*service_, 2, tls_echo(options_));
  EXPECT_EQ(3, heir->wait());
  EXPECT_THAT(service_->await_message<v1::Failed>(Type::kFailed).reason(),
              testing::HasSubstr("TLS"));
  EXPECT_EQ("on", client.ask("on"));
}

}  // namespace
}  // namespace handoff::test
