// Tests of clients that speak TLS: what they do by their numbers, and what they notice. OpenSSL's
// server answers them, in the same thread.
#include "tls.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "client.h"
#include "support/clients/sockets.h"
#include "support/process/certificate.h"

namespace chaos {
namespace {

namespace test = handoff::test;

class TlsClientTest : public testing::Test {
 protected:
  TlsClientTest() : context(SSL_CTX_new(TLS_server_method())) {
    const test::Certificate certificate;
    SSL_CTX_use_certificate_file(context.get(), certificate.path().c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(context.get(), certificate.key().c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_set_msg_callback(context.get(), count_key_updates);
  }
  void connect(std::uint64_t number, Manner manner = Manner::kBusy, std::uint64_t exchanges = 0) {
    client = std::make_unique<Client>(test::port_of(listener.get()),
                                      make_dialogue(Service::kEchoTls, number), manner, number,
                                      exchanges, clients.make(number));
    socket.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    ssl.reset(SSL_new(context.get()));
    SSL_set_fd(ssl.get(), socket.get());
    SSL_set_accept_state(ssl.get());
    SSL_set_msg_callback_arg(ssl.get(), this);
    input.clear();
    lines = key_updates = 0;
  }
  void turn() {
    client->advance();
    std::array<char, 4096> bytes;
    for (int n = 0; (n = SSL_read(ssl.get(), bytes.data(), bytes.size())) > 0;) {
      input.append(bytes.data(), static_cast<std::size_t>(n));
    }
  }
  // Answers each line that has come.
  void answer() {
    for (std::size_t end = 0; (end = input.find('\n')) != std::string::npos;) {
      const std::string reply = std::to_string(++lines) + " 1 " + input.substr(0, end + 1);
      input.erase(0, end + 1);
      SSL_write(ssl.get(), reply.data(), static_cast<int>(reply.size()));
    }
  }
  template <class Condition>
  void turn_until(const Condition& condition) {
    const auto until = Clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      ASSERT_LT(Clock::now(), until) << client->error();
      turn();
    }
  }
  void converse_until(std::uint64_t answers) {
    turn_until([&] {
      answer();
      return client->answered() >= answers;
    });
  }
  bool said_goodbye() const { return (SSL_get_shutdown(ssl.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }
  // Answers so many requests of the client, and what the client says then.
  void converse_to_the_end(std::uint64_t number) {
    connect(number, Manner::kBusy, 3);
    converse_until(3);
    turn_until([this] { return said_goodbye(); });
    SSL_shutdown(ssl.get());
    socket.reset();
    turn_until([this] { return !client->alive(); });
    EXPECT_EQ(client->end(), Client::End::kDone) << client->error();
  }
  std::ptrdiff_t lines_that_came() const { return std::ranges::count(input, '\n'); }

  handoff::UniqueFd listener = test::listen_on_loopback();
  std::unique_ptr<ssl_ctx_st, Tls::Free> context;
  TlsClients clients;
  std::unique_ptr<Client> client;
  handoff::UniqueFd socket;
  std::unique_ptr<ssl_st, Tls::Free> ssl;
  std::string input;
  int lines = 0, key_updates = 0;

 private:
  static void count_key_updates(int sent, int, int type, const void* message, std::size_t size,
                                SSL*, void* test) {
    const bool handshake = type == SSL3_RT_HANDSHAKE && size > 0;
    if (sent != 0 || !handshake) return;
    if (*static_cast<const unsigned char*>(message) == SSL3_MT_KEY_UPDATE) {
      ++static_cast<TlsClientTest*>(test)->key_updates;
    }
  }
};

TEST_F(TlsClientTest, EachThirdOneSpeaksTheOlderVersion) {
  for (const std::uint64_t number : {1U, 2U, 3U, 4U}) {
    connect(number);
    converse_until(3);
    EXPECT_EQ(SSL_version(ssl.get()), number == 3 ? TLS1_2_VERSION : TLS1_3_VERSION) << number;
  }
}

TEST_F(TlsClientTest, OddOnesResumeWhatOneBeforeHadInTheirVersion) {
  for (const std::uint64_t first : {1U, 3U}) {
    converse_to_the_end(first);
    EXPECT_EQ(SSL_session_reused(ssl.get()), 0);
    converse_to_the_end(first + 6);
    EXPECT_EQ(SSL_session_reused(ssl.get()), 1);
    converse_to_the_end(first + 1);
    EXPECT_EQ(SSL_session_reused(ssl.get()), 0);
  }
}

TEST_F(TlsClientTest, EvenOnesChangeTheirKeys) {
  connect(2);
  converse_until(40);
  EXPECT_GE(key_updates, 2);
  connect(1);
  converse_until(40);
  EXPECT_EQ(key_updates, 0);
}

TEST_F(TlsClientTest, HalfARecordIsHeldBack) {
  connect(1, Manner::kHalf);
  turn_until([this] { return lines_that_came() == 2; });
  for (int i = 0; i < 20; ++i) turn();
  EXPECT_EQ(lines_that_came(), 2);
  converse_until(3);
}

TEST_F(TlsClientTest, AnEndWithoutCloseNotifyIsACut) {
  connect(1, Manner::kBusy, 3);
  converse_until(3);
  turn_until([this] { return said_goodbye(); });
  socket.reset();
  turn_until([this] { return !client->alive(); });
  EXPECT_EQ(client->end(), Client::End::kEof);
  EXPECT_TRUE(client->cut());
}

TEST_F(TlsClientTest, ARecordThatIsNotTheSessionsIsAFault) {
  for (const std::uint64_t number : {1U, 3U}) {
    connect(number);
    converse_until(1);
    const std::string record = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
    ::send(socket.get(), record.data(), record.size(), MSG_NOSIGNAL);
    turn_until([this] { return !client->alive(); });
    EXPECT_EQ(client->end(), Client::End::kFault);
    EXPECT_EQ(client->fault(), Fault::kWrong);
  }
}

}  // namespace
}  // namespace chaos
