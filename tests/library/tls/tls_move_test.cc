// TLS sessions through real handoffs: their clients are OpenSSL's, on real sockets, and notice
// nothing.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "../../unit/tls/peer.h"
#include "support/peers/service_process.h"
#include "support/process/process.h"
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

class TlsMoveTest : public testing::TestWithParam<std::tuple<std::string, TlsFace>> {
 protected:
  SslContext context_ = make_context(std::get<0>(GetParam()).c_str());
  SslContext clients_ = make_context(std::get<0>(GetParam()).c_str());
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
// Writes and reads until nobody wants to hear of it any more: each time how many bytes came back.
// 0 if all of them were right.
int talk(SSL_CTX* context, const std::string& address, int progress) {
  TlsClient client(context, address);
  if (!client.shake_hands()) return 1;
  for (std::size_t round = 0;; ++round) {
    if (round % 7 == 3 && SSL_version(client.ssl()) == TLS1_3_VERSION) {
      SSL_key_update(client.ssl(),
                     round % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
    }
    // Small enough for the buffers of both sockets, so that nobody waits for ever.
    std::string burst;
    for (std::size_t k = 0; k < 4; ++k) {
      const std::string text(1 + round * 131 % 9000, static_cast<char>('a' + (round + k) % 26));
      if (!client.write(text)) return 1;
      burst += text;
    }
    if (client.read(burst.size()) != burst) return 1;
    const auto size = static_cast<std::uint32_t>(burst.size());
    if (::write(progress, &size, sizeof size) < 0 && errno == EPIPE) return 0;
  }
}

// Clients are processes: a service that is forked off a test with threads has their locks.
TEST_P(TlsMoveTest, FullDuplexTrafficIsExact) {
  auto donor = std::make_unique<ServiceProcess>(1, tls_echo(options_));
  const std::string address = donor->await_message<v1::Owner>(Type::kOwner).named(0).address();
  int ends[2];
  ASSERT_EQ(0, ::pipe2(ends, O_CLOEXEC | O_NONBLOCK));  // what a full pipe drops is not missed
  UniqueFd heard(ends[0]), told(ends[1]);
  std::vector<std::unique_ptr<Process>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<Process>(
        [this, &address, fd = told.get()] {
          ::signal(SIGPIPE, SIG_IGN);
          return talk(clients_.get(), address, fd);
        },
        told.get()));
  }
  told.reset();
  for (std::uint64_t generation = 2; generation < 10; ++generation) {
    auto heir = start_heir(*donor, generation, tls_echo(options_));
    heir->await_message<v1::Owner>(Type::kOwner);
    EXPECT_EQ(0, donor->wait());
    donor = std::move(heir);
    // The clients get on before the next one comes.
    std::uint32_t size = 0;
    while (::read(heard.get(), &size, sizeof size) > 0) {
    }
    for (std::uint64_t seen = 0; seen < 100'000; seen += size) {
      pollfd readable{.fd = heard.get(), .events = POLLIN, .revents = 0};
      ASSERT_EQ(1, ::poll(&readable, 1, 60'000));
      ASSERT_LT(0, ::read(heard.get(), &size, sizeof size)) << "all clients have ended";
    }
  }
  heard.reset();
  for (const auto& client : clients) EXPECT_EQ(0, client->wait());
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
