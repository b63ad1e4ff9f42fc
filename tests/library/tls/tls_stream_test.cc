// tls.hpp through real handoffs: what an author of a tls::Stream may rely on.
#include <gmock/gmock.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <time.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../../unit/tls/hex.h"
#include "../../unit/tls/peer.h"
#include "support/peers/service_process.h"
#include "tls_client.h"
#include "tls_echo.h"

namespace handoff::test {
namespace {

using protocol::Type;
using tls::test::make_context;
using tls::test::SslContext;

// A client whose handshake is over, and who was greeted.
struct Greeted : TlsClient {
  Greeted(SSL_CTX* context, const v1::Owner& owner) : TlsClient(context, owner.named(0).address()) {
    EXPECT_TRUE(shake_hands());
    EXPECT_EQ("welcome\n", read(8));
  }
};

class TlsStreamTest : public testing::Test {
 protected:
  std::unique_ptr<ServiceProcess> upgrade(ServiceProcess& donor, std::uint64_t generation) {
    auto heir = start_heir(donor, generation, tls_echo(options_));
    heir->await_message<v1::Owner>(Type::kOwner);
    EXPECT_EQ(0, donor.wait());
    return heir;
  }
  SslContext context_ = make_context();
  SslContext clients_ = make_context();
  TlsEchoOptions options_{.face = TlsFace::kCpp, .ssl = context_.get(), .lines = true};
};

// Handshakes that are under way are held in their lanes.
class TlsLoopsTest : public TlsStreamTest, public testing::WithParamInterface<TlsFace> {};
INSTANTIATE_TEST_SUITE_P(Faces, TlsLoopsTest, testing::Values(TlsFace::kCpp, TlsFace::kPoll));

TEST_P(TlsLoopsTest, SessionsOfSeveralLoopsMoveAndHandshakesFollow) {
  options_.face = GetParam();
  options_.lines = false;
  options_.lanes = 2;
  ServiceProcess donor(1, tls_echo(options_));
  const std::string address = donor.await_message<v1::Owner>(Type::kOwner).named(0).address();
  std::vector<std::unique_ptr<TlsClient>> slow, clients;
  for (int i = 0; i < 4; ++i) {
    slow.push_back(std::make_unique<TlsClient>(clients_.get(), address));
    slow.back()->shake_half_a_hand();
  }
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<TlsClient>(clients_.get(), address));
    ASSERT_TRUE(clients.back()->shake_hands());
    ASSERT_EQ("hello", clients.back()->ask("hello"));
  }
  options_.lanes = 3;
  const auto heir = start_heir(donor, 2, tls_echo(options_));
  EXPECT_EQ(8U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
  for (auto& client : clients) ASSERT_EQ("moved", client->ask("moved"));
  for (auto& client : slow) {
    ASSERT_TRUE(client->shake_hands());
    ASSERT_EQ("late", client->ask("late"));
  }
  EXPECT_EQ(0, donor.wait());
  for (auto& client : slow) ASSERT_EQ("moved", client->ask("moved"));
}

TEST_F(TlsStreamTest, HalfALineAndAGreetingMove) {
  ServiceProcess first(1, tls_echo(options_));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  Greeted client(clients_.get(), owner);
  // Nobody has said a word on this one yet: it moves before its handshake, greeting and all.
  TlsClient silent(clients_.get(), owner.named(0).address());
  ASSERT_TRUE(client.write("one\ntw"));
  ASSERT_EQ("1 one\n", client.read(6));
  const auto second = upgrade(first, 2);
  ASSERT_TRUE(silent.shake_hands());
  EXPECT_EQ("welcome\n", silent.read(8));
  ASSERT_TRUE(client.write("o\n"));
  EXPECT_EQ("2 two\n", client.read(6));
}

// A pause does not move, so what waited for its end is looked at in the next process.
TEST_F(TlsStreamTest, WholeLinesThatWaitAreAnsweredAfterAMove) {
  ServiceProcess first(1, tls_echo(options_));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  Greeted client(clients_.get(), owner);
  ASSERT_TRUE(client.write("pause\nthen\n"));
  ASSERT_EQ("1 pause\n", client.read(8));
  const auto second = upgrade(first, 2);
  EXPECT_EQ("2 then\n", client.read(7));
}

TEST_F(TlsStreamTest, APauseThatEndsAtOnceLosesNothing) {
  ServiceProcess service(1, tls_echo(options_));
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  Greeted client(clients_.get(), owner);
  ASSERT_TRUE(client.write("blink\nthen\nblink\nlast\n"));
  EXPECT_EQ("1 blink\n2 then\n3 blink\n4 last\n", client.read(30));
}

TEST_F(TlsStreamTest, CloseSaysSo) {
  ServiceProcess service(1, tls_echo(options_));
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  Greeted client(clients_.get(), owner);
  ASSERT_TRUE(client.write("close\n"));
  EXPECT_EQ("1 close\n", client.read(100));
  EXPECT_EQ(SSL_ERROR_ZERO_RETURN, client.error()) << "close_notify";
}

TEST_F(TlsStreamTest, AStopSaysSo) {
  ServiceProcess service(1, tls_echo(options_));
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  Greeted client(clients_.get(), owner);
  v1::Stop stop;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  stop.set_deadline_us(static_cast<std::uint64_t>(now.tv_sec + 5) * 1'000'000);
  send(service.control(), Type::kStop, stop);
  EXPECT_EQ("", client.read(100));
  EXPECT_EQ(SSL_ERROR_ZERO_RETURN, client.error()) << "close_notify";
}

TEST_F(TlsStreamTest, AClientThatSaysCloseNotifyIsAnswered) {
  ServiceProcess service(1, tls_echo(options_));
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  TlsClient client(clients_.get(), owner.named(0).address());
  ASSERT_TRUE(client.shake_hands());
  ASSERT_TRUE(client.write("last\n"));
  SSL_shutdown(client.ssl());
  EXPECT_EQ("welcome\n1 last\n", client.read(100));
  EXPECT_EQ(SSL_ERROR_ZERO_RETURN, client.error());
}

// A request of many records that is not whole yet: it moves as the records that it came in.
TEST_F(TlsStreamTest, ALongRequestMovesInItsMiddle) {
  auto service = std::make_unique<ServiceProcess>(1, tls_echo(options_));
  const auto owner = service->await_message<v1::Owner>(Type::kOwner);
  TlsClient client(clients_.get(), owner.named(0).address());
  TlsClient other(clients_.get(), owner.named(0).address());
  ASSERT_TRUE(client.shake_hands());
  ASSERT_TRUE(other.shake_hands());
  ASSERT_EQ("welcome\n", client.read(8));
  ASSERT_EQ("welcome\n", other.read(8));
  std::string line, answer;
  for (std::uint64_t generation = 2; generation < 5; ++generation) {
    const std::string part(100'000, static_cast<char>('a' + generation));
    line += part;
    ASSERT_TRUE(client.write(part));
    if (generation == 3) SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED);
    // The service answers this one after it has read of the other, or else it reads in the next.
    ASSERT_TRUE(other.write("x\n"));
    ASSERT_EQ(std::to_string(generation - 1) + " x\n", other.read(4));
    service = upgrade(*service, generation);
  }
  ASSERT_TRUE(client.write("\n"));
  answer = "1 " + line + "\n";
  EXPECT_EQ(answer, client.read(answer.size()));
}

// Said before there was a handshake, and it comes behind that.
TEST_F(TlsStreamTest, TheEndOfAHalfWaitsForTheHandshake) {
  options_.ends = true;
  for (const TlsFace face : {TlsFace::kCpp, TlsFace::kPoll}) {
    options_.face = face;
    ServiceProcess service(1, tls_echo(options_));
    const auto owner = service.await_message<v1::Owner>(Type::kOwner);
    TlsClient client(clients_.get(), owner.named(0).address());
    ASSERT_TRUE(client.shake_hands());
    EXPECT_EQ("welcome\n", client.read(100));
    EXPECT_EQ(SSL_ERROR_ZERO_RETURN, client.error()) << "close_notify";
    EXPECT_TRUE(client.write("and the other half goes on"));
  }
}

// ---- limits ----

TEST_F(TlsStreamTest, ARequestThatIsTooLongEndsTheConnection) {
  for (const TlsFace face : {TlsFace::kCpp, TlsFace::kPoll}) {
    options_.face = face;
    options_.max_plain = 50'000;
    ServiceProcess service(1, tls_echo(options_));
    const auto owner = service.await_message<v1::Owner>(Type::kOwner);
    TlsClient client(clients_.get(), owner.named(0).address());
    ASSERT_TRUE(client.shake_hands());
    ASSERT_EQ("welcome\n", client.line());
    ASSERT_TRUE(client.write(std::string(30'000, 'x') + "\n"));
    EXPECT_THAT(client.line(), testing::HasSubstr("xxx"));
    ASSERT_TRUE(client.write(std::string(70'000, 'x')));
    EXPECT_EQ("", client.read(1));
    EXPECT_EQ(SSL_ERROR_ZERO_RETURN, client.error()) << "close_notify";
  }
}

// ---- a deadline ----

TEST_F(TlsStreamTest, ThereIsATimeForAHandshake) {
  options_.handshake_ms = 1000;
  ServiceProcess service(1, tls_echo(options_));
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  TlsClient quick(clients_.get(), owner.named(0).address());
  ASSERT_TRUE(quick.shake_hands());
  TlsClient silent(clients_.get(), owner.named(0).address());
  TlsClient slow(clients_.get(), owner.named(0).address());
  slow.shake_half_a_hand();
  EXPECT_TRUE(silent.is_ended());
  EXPECT_TRUE(slow.is_ended());
  ASSERT_TRUE(quick.write("still\n"));
  EXPECT_EQ("welcome\n1 still\n", quick.read(16));
}

// The time is not begun anew by a move, in which a session goes along that has said nothing.
TEST_F(TlsStreamTest, TheTimeMoves) {
  options_.handshake_ms = 2000;
  ServiceProcess first(1, tls_echo(options_));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  timespec begun{}, ended{};
  TlsClient client(clients_.get(), owner.named(0).address());
  ::clock_gettime(CLOCK_MONOTONIC, &begun);
  TlsClient silent(clients_.get(), owner.named(0).address());
  ASSERT_TRUE(client.shake_hands());
  ASSERT_EQ("welcome\n", client.read(8));
  options_.handshake_ms = 3'600'000;
  const auto second = upgrade(first, 2);
  EXPECT_TRUE(silent.is_ended());
  ::clock_gettime(CLOCK_MONOTONIC, &ended);
  EXPECT_LE(begun.tv_sec + 1, ended.tv_sec);
}

// ---- tickets ----

class TlsTicketTest : public TlsStreamTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Versions, TlsTicketTest,
                         testing::Values("TLS_AES_128_GCM_SHA256",
                                         "ECDHE-ECDSA-AES128-GCM-SHA256"));

// Each process has an SSL_CTX of its own, so that no key of OpenSSL's is another's.
TEST_P(TlsTicketTest, SessionsAreResumedInLaterGenerations) {
  options_.own_context = GetParam();
  const SslContext clients = make_context(GetParam());
  auto service = std::make_unique<ServiceProcess>(1, tls_echo(options_));
  const auto owner = service->await_message<v1::Owner>(Type::kOwner);
  std::unique_ptr<SSL_SESSION, tls::test::FreeSsl> session;
  for (std::uint64_t generation = 2; generation < 6; ++generation) {
    TlsClient client(clients.get(), owner.named(0).address());
    if (session) SSL_set_session(client.ssl(), session.get());
    ASSERT_TRUE(client.shake_hands());
    ASSERT_EQ("welcome\n", client.read(8)) << "behind the tickets";
    EXPECT_EQ(session ? 1 : 0, SSL_session_reused(client.ssl())) << generation;
    // One ticket is used over two upgrades, then another one.
    if (generation % 2 == 0) session.reset(SSL_get1_session(client.ssl()));
    SSL_set_shutdown(client.ssl(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    service = upgrade(*service, generation);
  }
}

// While a loop stands still it is another one that accepts. Both the ticket of a loop that stands
// and that of another one are resumed where they have not been made, also in later generations.
TEST_P(TlsTicketTest, SessionsAreResumedOnWhicheverLoopTheyComeTo) {
  options_.own_context = GetParam();
  const SslContext clients = make_context(GetParam());
  for (const TlsFace face : {TlsFace::kCpp, TlsFace::kPoll}) {
    options_.face = face;
    options_.lanes = 2;
    auto service = std::make_unique<ServiceProcess>(1, tls_echo(options_));
    const auto owner = service->await_message<v1::Owner>(Type::kOwner);
    std::unique_ptr<SSL_SESSION, tls::test::FreeSsl> session;
    const auto come = [&] {
      auto client = std::make_unique<TlsClient>(clients.get(), owner.named(0).address());
      const bool again = session != nullptr;
      if (again) SSL_set_session(client->ssl(), session.get());
      EXPECT_TRUE(client->shake_hands());
      EXPECT_EQ("welcome\n", client->line()) << "behind the tickets";
      EXPECT_EQ(again, SSL_session_reused(client->ssl()) != 0);
      session.reset(SSL_get1_session(client->ssl()));
      return client;
    };
    for (std::uint64_t generation = 2; generation < 5; ++generation) {
      std::vector<std::unique_ptr<TlsClient>> all;
      all.push_back(come());
      for (int times = 0; times < 3; ++times) {
        ASSERT_TRUE(all.back()->write("stand\n"));
        EXPECT_THAT(all.back()->line(), testing::HasSubstr("stand\n"));
        all.push_back(come());
        ASSERT_TRUE(all.back()->write("go\n"));
        EXPECT_THAT(all.back()->line(), testing::HasSubstr("go\n"));
      }
      for (const auto& client : all) {
        ASSERT_TRUE(client->write("still\n"));
        EXPECT_THAT(client->line(), testing::HasSubstr("still\n"));
        SSL_set_shutdown(client->ssl(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
      }
      options_.lanes = static_cast<std::uint32_t>(generation);
      service = upgrade(*service, generation);
    }
  }
}

// ---- what is known ----

// By the name that a client asks for it gets another certificate.
TEST_F(TlsStreamTest, WhatIsKnownOfASessionMoves) {
  SSL_CTX* const first = context_.get();
  static SSL_CTX* other = nullptr;
  const SslContext others = make_context();
  other = others.get();
  for (SSL_CTX* const ssl : {first, other}) {
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       [](int, X509_STORE_CTX*) { return 1; });
    SSL_CTX_set_alpn_select_cb(
        ssl,
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned,
           void*) {
          *out = in + 1;
          *size = in[0];
          return SSL_TLSEXT_ERR_OK;
        },
        nullptr);
    ASSERT_EQ(0, handoff_tls_prepare(ssl));
  }
  SSL_CTX_set_tlsext_servername_callback(
      first, +[](SSL* ssl, int*, void*) {
        const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        if (name != nullptr && std::string_view(name) == "other.example")
          SSL_set_SSL_CTX(ssl, other);
        return SSL_TLSEXT_ERR_OK;
      });
  SSL_CTX_set_alpn_protos(clients_.get(), reinterpret_cast<const unsigned char*>("\x03irc"), 4);
  ServiceProcess service(1, tls_echo(options_));
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  TlsClient one(clients_.get(), owner.named(0).address());
  TlsClient two(clients_.get(), owner.named(0).address());
  SSL_set_tlsext_host_name(one.ssl(), "one.example");
  SSL_set_tlsext_host_name(two.ssl(), "other.example");
  std::vector<std::string> before;
  for (TlsClient* const client : {&one, &two}) {
    ASSERT_TRUE(client->shake_hands());
    ASSERT_EQ("welcome\n", client->read(8));
    ASSERT_TRUE(client->write("who\n"));
    before.push_back(client->line());
  }
  EXPECT_THAT(before[0], testing::HasSubstr(" one.example irc CN=example.org "));
  EXPECT_THAT(before[1], testing::HasSubstr(" other.example irc CN=example.org "));
  unsigned char digest[32];
  ASSERT_EQ(1,
            X509_digest(SSL_CTX_get0_certificate(clients_.get()), EVP_sha256(), digest, nullptr));
  EXPECT_THAT(
      before[0],
      testing::HasSubstr(tls::test::hex({reinterpret_cast<const char*>(digest), sizeof digest})));
  const std::unique_ptr<X509, void (*)(X509*)> ones(SSL_get1_peer_certificate(one.ssl()),
                                                    X509_free);
  const std::unique_ptr<X509, void (*)(X509*)> twos(SSL_get1_peer_certificate(two.ssl()),
                                                    X509_free);
  EXPECT_EQ(0, X509_cmp(ones.get(), SSL_CTX_get0_certificate(first)));
  EXPECT_EQ(0, X509_cmp(twos.get(), SSL_CTX_get0_certificate(other)));
  const auto heir = upgrade(service, 2);
  std::size_t i = 0;
  for (TlsClient* const client : {&one, &two}) {
    ASSERT_TRUE(client->write("who\n"));
    EXPECT_EQ(before[i].substr(1), client->line().substr(1)) << "all but the number of the answer";
    ++i;
  }
}

// ---- a release that speaks no TLS, or did not ----

TEST_F(TlsStreamTest, KeysAreGivenToNobodyWhoSpeaksNoTls) {
  for (const bool from : {false, true}) {
    TlsEchoOptions donors = options_, heirs = options_;
    (from ? donors : heirs).plain = true;
    ServiceProcess donor(1, tls_echo(donors));
    const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
    TlsClient client(clients_.get(), owner.named(0).address());
    if (!from) {
      ASSERT_TRUE(client.shake_hands());
      ASSERT_EQ("welcome\n", client.read(8));
    } else {
      client.shake_half_a_hand();
      ASSERT_EQ(20U, client.raw(20).size()) << "an echo of it";
    }
    const auto heir = start_heir(donor, 2, tls_echo(heirs));
    EXPECT_EQ(3, heir->wait());
    EXPECT_THAT(donor.await_message<v1::Failed>(Type::kFailed).reason(), testing::HasSubstr("TLS"));
  }
}

}  // namespace
}  // namespace handoff::test
