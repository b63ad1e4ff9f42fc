// TLS sessions through real handoffs: their clients are OpenSSL's, on real sockets, and notice
// nothing.
#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "../../unit/tls/peer.h"
#include "support/peers/service_process.h"
#include "tls_client.h"
#include "tls_echo.h"

namespace handoff::test {
namespace {

using protocol::Type;
using tls::test::make_context;
using tls::test::SslContext;

const char* name_of(TlsFace face) {
  const char* const names[] = {"OnTheCFace", "OnTlsHpp", "OnTlsPoll", "OnAsio"};
  return names[static_cast<int>(face)];
}

class TlsMoveTest : public testing::TestWithParam<std::tuple<const char*, TlsFace>> {
 protected:
  SslContext context_ = make_context(std::get<0>(GetParam()));
  SslContext clients_ = make_context(std::get<0>(GetParam()));
  TlsEchoOptions options_{.face = std::get<1>(GetParam()), .ssl = context_.get()};
};
INSTANTIATE_TEST_SUITE_P(
    Suites, TlsMoveTest,
    testing::Combine(testing::Values("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
                                     "ECDHE-ECDSA-AES128-GCM-SHA256"),
                     testing::Values(TlsFace::kC, TlsFace::kCpp, TlsFace::kPoll, TlsFace::kAsio)),
    [](const auto& row) { return std::to_string(row.index) + name_of(std::get<1>(row.param)); });

TEST_P(TlsMoveTest, IdleSessionsMoveAndGoOn) {
  auto donor = std::make_unique<ServiceProcess>(1, tls_echo(options_));
  const auto owner = donor->await_message<v1::Owner>(Type::kOwner);
  std::vector<std::unique_ptr<TlsClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<TlsClient>(clients_.get(), owner.named(0).address()));
    ASSERT_TRUE(clients.back()->shake_hands());
    if (i % 2 == 0) {
      ASSERT_EQ("hello", clients.back()->ask("hello"));
    }
  }
  for (std::uint64_t generation = 2; generation < 6; ++generation) {
    auto heir = start_heir(*donor, generation, tls_echo(options_));
    EXPECT_EQ(20U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
    EXPECT_EQ(0, donor->wait());
    donor = std::move(heir);
    for (auto& client : clients) ASSERT_EQ("and on", client->ask("and on"));
  }
}

// Each client sends without waiting for the answers, in all sizes, while releases come and go; now
// and then it takes a new key, and asks for one.
TEST_P(TlsMoveTest, FullDuplexTrafficIsExact) {
  auto donor = std::make_unique<ServiceProcess>(1, tls_echo(options_));
  const std::string address = donor->await_message<v1::Owner>(Type::kOwner).named(0).address();
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::atomic<std::uint64_t> exact = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      TlsClient client(clients_.get(), address);
      if (!client.shake_hands()) {
        ++wrong;
        ++exact;
        exact.notify_all();
        return;
      }
      for (std::size_t round = 0; !stop; ++round) {
        if (round % 7 == 3 && SSL_version(client.ssl()) == TLS1_3_VERSION) {
          SSL_key_update(client.ssl(),
                         round % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
        }
        // Small enough for the buffers of both sockets, so that nobody waits for ever.
        std::string burst;
        for (int k = 0; k < 4; ++k) {
          const std::string text(1 + round * 131 % 9000, static_cast<char>('a' + (round + k) % 26));
          if (!client.write(text)) ++wrong;
          burst += text;
        }
        const bool right = client.read(burst.size()) == burst;
        if (!right) ++wrong;
        exact += burst.size();
        exact.notify_all();
        if (!right) return;
      }
    });
  }
  for (std::uint64_t generation = 2; generation < 10; ++generation) {
    auto heir = start_heir(*donor, generation, tls_echo(options_));
    heir->await_message<v1::Owner>(Type::kOwner);
    EXPECT_EQ(0, donor->wait());
    donor = std::move(heir);
    // The clients get on before the next one comes.
    const std::uint64_t now = exact;
    for (std::uint64_t seen = now; seen < now + 100'000 && wrong == 0; seen = exact) {
      exact.wait(seen);
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(0, wrong);
  EXPECT_LT(800'000U, exact);
}

TEST_P(TlsMoveTest, AFailedHandoffIsNotNoticed) {
  ServiceProcess donor(1, tls_echo(options_));
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  TlsClient client(clients_.get(), owner.named(0).address());
  ASSERT_TRUE(client.shake_hands());
  for (std::uint64_t generation = 2; generation < 5; ++generation) {
    ASSERT_EQ("hello", client.ask("hello"));
    TlsEchoOptions refusing = options_;
    refusing.refuses = true;
    const auto heir = start_heir(donor, generation, tls_echo(refusing));
    EXPECT_EQ(3, heir->wait());
    donor.await_message<v1::Failed>(Type::kFailed);
    ASSERT_EQ("the donor serves on", client.ask("the donor serves on"));
  }
}

// A bug in a service: the heir gets a state from before the last records. Going on would use their
// nonces again.
TEST_P(TlsMoveTest, AStaleStateEndsTheConnectionAndNoRecordComesOfIt) {
  if (options_.face != TlsFace::kC) return;  // the others always save the newest
  options_.saves_once = true;
  ServiceProcess donor(1, tls_echo(options_));
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  TlsClient client(clients_.get(), owner.named(0).address());
  ASSERT_TRUE(client.shake_hands());
  ASSERT_EQ("one", client.ask("one"));
  ASSERT_EQ("two", client.ask("two"));
  const auto heir = start_heir(donor, 2, tls_echo(options_));
  heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("", client.ask("three"));
  // The end of the stream without close_notify, or a reset: no record, which would be an error of
  // SSL.
  EXPECT_NE(SSL_ERROR_ZERO_RETURN, client.error());
  EXPECT_EQ(0, donor.wait());
}

// A client that has not shaken hands is held, and stays; the others move.
TEST_P(TlsMoveTest, AHandshakeUnderWayStaysBehind) {
  ServiceProcess donor(1, tls_echo(options_));
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  TlsClient client(clients_.get(), owner.named(0).address());
  ASSERT_TRUE(client.shake_hands());
  ASSERT_EQ("hello", client.ask("hello"));
  TlsClient slow(clients_.get(), owner.named(0).address());
  slow.shake_half_a_hand();
  // The service has heard of it before it answers whoever came later, twice.
  TlsClient later(clients_.get(), owner.named(0).address());
  ASSERT_TRUE(later.shake_hands());
  ASSERT_EQ("later", later.ask("later"));
  const auto heir = start_heir(donor, 2, tls_echo(options_));
  EXPECT_EQ(2U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
  ASSERT_EQ("moved", client.ask("moved"));
  ASSERT_TRUE(slow.shake_hands()) << "with the release before";
  ASSERT_EQ("late", slow.ask("late"));
}

}  // namespace
}  // namespace handoff::test
