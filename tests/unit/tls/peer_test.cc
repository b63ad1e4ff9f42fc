// Sessions with OpenSSL as the peer: every suite of both versions in both roles, moved all the
// time.
#include "peer.h"

#include <gtest/gtest.h>
#include <openssl/x509.h>

#include <cstring>

namespace handoff::tls {
namespace {

using test::Key;
using test::make_context;
using test::Ours;
using test::Peer;
using test::SslContext;
using test::talk;

struct Row {
  const char* suite;
  Key key;
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.suite; }

constexpr Row kRows[] = {
    {"TLS_AES_128_GCM_SHA256", Key::kEcdsa},
    {"TLS_AES_256_GCM_SHA384", Key::kEcdsa},
    {"TLS_CHACHA20_POLY1305_SHA256", Key::kEcdsa},
    {"ECDHE-ECDSA-AES128-GCM-SHA256", Key::kEcdsa},
    {"ECDHE-ECDSA-AES256-GCM-SHA384", Key::kEcdsa},
    {"ECDHE-ECDSA-CHACHA20-POLY1305", Key::kEcdsa},
    {"ECDHE-RSA-AES128-GCM-SHA256", Key::kRsa},
    {"ECDHE-RSA-AES256-GCM-SHA384", Key::kRsa},
    {"ECDHE-RSA-CHACHA20-POLY1305", Key::kRsa},
    {"DHE-RSA-AES128-GCM-SHA256", Key::kRsa},
    {"DHE-RSA-AES256-GCM-SHA384", Key::kRsa},
    {"DHE-RSA-CHACHA20-POLY1305", Key::kRsa},
    {"AES128-GCM-SHA256", Key::kRsa},
    {"AES256-GCM-SHA384", Key::kRsa},
};

// suite, and whether ours is the server
class PeerTest : public testing::TestWithParam<std::tuple<Row, bool>> {
 protected:
  Row row() const { return std::get<0>(GetParam()); }
  bool server() const { return std::get<1>(GetParam()); }
  bool is_13() const { return std::string_view(row().suite).starts_with("TLS_"); }

  SslContext context_ = make_context(row().suite, row().key);
  SslContext peers_ = make_context(row().suite, row().key);
};
INSTANTIATE_TEST_SUITE_P(Suites, PeerTest,
                         testing::Combine(testing::ValuesIn(kRows), testing::Bool()),
                         [](const auto& row_info) {
                           std::string name = std::get<0>(row_info.param).suite;
                           std::erase_if(name, [](char c) { return c == '-' || c == '_'; });
                           return name + (std::get<1>(row_info.param) ? "Server" : "Client");
                         });

TEST_P(PeerTest, BytesGoBothWays) {
  Ours ours(context_.get(), server());
  Peer peer(peers_.get(), !server());
  talk(peer, ours);
  ASSERT_TRUE(peer.established());
  ASSERT_EQ(1, handoff_tls_established(ours.get())) << handoff_tls_error(ours.get());
  EXPECT_EQ(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(peer.ssl())), ours.info().suite);
  EXPECT_EQ(SSL_version(peer.ssl()), ours.info().version);
  EXPECT_EQ(nullptr, handoff_tls_ssl(ours.get()));
  for (const std::size_t size : {1, 100, 16384, 16385, 100000}) {
    const std::string text(size, static_cast<char>('a' + size % 26));
    peer.feed(ours.sealed(text));
    ASSERT_EQ(text, peer.read());
    std::string got;
    std::string from_peer = peer.sealed(text);
    do {  // as much at once as may wait
      ASSERT_LE(0, ours.feed(std::exchange(from_peer, {})));
      const std::string more = ours.read();
      ASSERT_FALSE(more.empty());
      got += more;
    } while (got.size() < size);
    ASSERT_EQ(text, got);
  }
}

TEST_P(PeerTest, MovesAtEveryCutOfARecord) {
  Ours ours(context_.get(), server());
  Peer peer(peers_.get(), !server());
  talk(peer, ours);
  ASSERT_EQ(1, handoff_tls_established(ours.get())) << handoff_tls_error(ours.get());
  ASSERT_NO_FATAL_FAILURE(ours.move());  // before the first record
  std::size_t size = 1;
  for (std::size_t cut = 0; cut <= size; ++cut) {
    const std::string text = "cut " + std::to_string(cut);
    const std::string record = peer.sealed(text);
    size = record.size();
    const std::size_t place = std::min(cut, size);
    ASSERT_LE(0, ours.feed(std::string_view(record).substr(0, place)));
    ASSERT_NO_FATAL_FAILURE(ours.move());
    ASSERT_LE(0, ours.feed(std::string_view(record).substr(place)))
        << handoff_tls_error(ours.get());
    ASSERT_EQ(text, ours.read()) << cut;
    peer.feed(ours.sealed("answer " + text));
    ASSERT_EQ("answer " + text, peer.read()) << cut;
  }
}

TEST_P(PeerTest, KeysAreUpdatedAroundMoves) {
  if (!is_13()) return;
  Ours ours(context_.get(), server());
  Peer peer(peers_.get(), !server());
  talk(peer, ours);
  for (int round = 0; round < 4; ++round) {
    const bool asks = round % 2 == 0;
    ASSERT_EQ(1, SSL_key_update(peer.ssl(),
                                asks ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED));
    ASSERT_LE(0, ours.feed(peer.sealed("after the peer's update")));
    ASSERT_EQ("after the peer's update", ours.read());
    ASSERT_NO_FATAL_FAILURE(ours.move());  // with an answer that is owed
    peer.feed(ours.sealed("answer"));
    ASSERT_EQ("answer", peer.read());
    ASSERT_EQ(static_cast<std::uint32_t>(round + 1), ours.info().keys_read);

    ASSERT_EQ(0, handoff_tls_update_key(ours.get(), asks ? 1 : 0));
    std::string update = ours.sent();
    ASSERT_NO_FATAL_FAILURE(ours.move());
    update += ours.sealed("after ours");
    ASSERT_LE(0, ours.feed(peer.feed(update)));
    ASSERT_EQ("after ours", peer.read());
    ASSERT_FALSE(peer.failed());
  }
}

TEST_P(PeerTest, CloseNotifyIsToldFromAnEnd) {
  Ours ours(context_.get(), server());
  Peer peer(peers_.get(), !server());
  talk(peer, ours);
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, handoff_tls_eof(ours.get()));
  SSL_shutdown(peer.ssl());
  ASSERT_LE(0, ours.feed(peer.sent()));
  EXPECT_EQ(0, handoff_tls_eof(ours.get()));
  EXPECT_EQ(0, ours.info().alert_in);
  ASSERT_NO_FATAL_FAILURE(ours.move());
  EXPECT_EQ(0, handoff_tls_eof(ours.get()));
  ASSERT_EQ(0, handoff_tls_shutdown(ours.get()));
  EXPECT_EQ(-EPIPE, handoff_tls_write(ours.get(), "x", 1));
  peer.feed(ours.sent());
  EXPECT_EQ(SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN, SSL_get_shutdown(peer.ssl()));
}

TEST_P(PeerTest, AFlippedBitAfterAMoveIsSeen) {
  Ours ours(context_.get(), server());
  Peer peer(peers_.get(), !server());
  talk(peer, ours);
  ASSERT_NO_FATAL_FAILURE(ours.move());
  std::string record = peer.sealed("hello");
  record.back() = static_cast<char>(record.back() ^ 1);
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, ours.feed(record));
  EXPECT_EQ(20, ours.info().alert_out);
  EXPECT_EQ("", ours.read());
  peer.feed(ours.sent());
  EXPECT_TRUE(peer.failed());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, ours.feed(""));
  EXPECT_EQ(-EPIPE, handoff_tls_write(ours.get(), "x", 1));
}

TEST_P(PeerTest, SessionsAreResumedAfterwards) {
  std::unique_ptr<SSL_SESSION, test::FreeSsl> session;
  for (int round = 0; round < 3; ++round) {
    if (server()) {
      Ours ours(context_.get(), true);
      Peer peer(peers_.get(), false);
      if (session) SSL_set_session(peer.ssl(), session.get());
      talk(peer, ours);
      ASSERT_EQ(1, handoff_tls_established(ours.get())) << handoff_tls_error(ours.get());
      EXPECT_EQ(round > 0 ? 1 : 0, SSL_session_reused(peer.ssl()));
      ASSERT_NO_FATAL_FAILURE(ours.move());
      peer.feed(ours.sealed("hello"));  // behind the tickets
      ASSERT_EQ("hello", peer.read());
      ASSERT_LE(0, ours.feed(peer.sealed("hello")));
      ASSERT_EQ("hello", ours.read());
      SSL_set_shutdown(peer.ssl(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
      session.reset(SSL_get1_session(peer.ssl()));
    } else {
      // In the client's role TLS 1.3's tickets come after the handshake, and are told raw.
      Ours ours(context_.get(), false);
      Peer peer(peers_.get(), true);
      if (session) SSL_set_session(handoff_tls_ssl(ours.get()), session.get());
      SSL* const ssl = handoff_tls_ssl(ours.get());
      SSL_up_ref(ssl);
      const std::unique_ptr<SSL, test::FreeSsl> kept(ssl);
      talk(peer, ours);
      ASSERT_EQ(1, handoff_tls_established(ours.get())) << handoff_tls_error(ours.get());
      handoff_tls_ticket ticket{};
      ticket.size = sizeof ticket;
      EXPECT_EQ(is_13() ? 1 : 0, handoff_tls_take_ticket(ours.get(), &ticket));
      EXPECT_EQ(is_13(), ticket.ticket_length > 0);
      EXPECT_EQ(0, handoff_tls_take_ticket(ours.get(), &ticket));
      EXPECT_EQ(!is_13() && round > 0 ? 1 : 0, SSL_session_reused(ssl));
      if (!is_13()) session.reset(SSL_get1_session(ssl));
    }
  }
}

TEST_P(PeerTest, AFragmentLimitIsKept) {
  if (server()) {
    SSL_CTX_set_tlsext_max_fragment_length(peers_.get(), TLSEXT_max_fragment_length_1024);
  } else {
    SSL_CTX_set_tlsext_max_fragment_length(context_.get(), TLSEXT_max_fragment_length_1024);
  }
  Ours ours(context_.get(), server());
  Peer peer(peers_.get(), !server());
  talk(peer, ours);
  ASSERT_EQ(1, handoff_tls_established(ours.get())) << handoff_tls_error(ours.get());
  ASSERT_NO_FATAL_FAILURE(ours.move());
  const std::string text(10000, 'x');
  const std::string records = ours.sealed(text);
  EXPECT_LT(records.size(), 10000U + 10 * 40);
  EXPECT_GT(records.size(), 10000U + 9 * 20);
  peer.feed(records);
  EXPECT_EQ(text, peer.read());
  ASSERT_LE(0, ours.feed(peer.sealed(text)));
  EXPECT_EQ(text, ours.read());
}

// ---- handshakes ----

TEST(HandshakeTest, ComesByteByByte) {
  const SslContext context = make_context(), peers = make_context();
  Ours ours(context.get(), true);
  Peer peer(peers.get(), false);
  std::string from_peer = peer.feed("");
  while (!from_peer.empty()) {
    std::string to_peer;
    for (const char byte : std::exchange(from_peer, {})) {
      ASSERT_LE(0, ours.feed({&byte, 1}));
      to_peer += ours.sent();
    }
    if (!to_peer.empty()) from_peer = peer.feed(to_peer);
  }
  EXPECT_EQ(1, handoff_tls_established(ours.get()));
}

TEST(HandshakeTest, DataRightBehindTheFinishedIsOpened) {
  const SslContext context = make_context(), peers = make_context();
  Ours ours(context.get(), true);
  Peer peer(peers.get(), false);
  ASSERT_LE(0, ours.feed(peer.feed("")));
  const std::string last = peer.feed(ours.sent());
  ASSERT_TRUE(peer.established());
  ASSERT_LE(0, ours.feed(last + peer.sealed("early bird")));
  EXPECT_EQ("early bird", ours.read());
}

TEST(HandshakeTest, WhatIsKnownMoves) {
  const SslContext context = make_context(), peers = make_context();
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     [](int, X509_STORE_CTX*) { return 1; });
  SSL_CTX_set_alpn_select_cb(
      context.get(),
      [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned,
         void*) {
        *out = in + 1;
        *size = in[0];
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
  SSL_CTX_set_alpn_protos(peers.get(), reinterpret_cast<const unsigned char*>("\x02h2"), 3);
  Ours ours(context.get(), true);
  Peer peer(peers.get(), false);
  SSL_set_tlsext_host_name(peer.ssl(), "example.org");
  talk(peer, ours);
  ASSERT_EQ(1, handoff_tls_established(ours.get())) << handoff_tls_error(ours.get());
  unsigned char* der = nullptr;
  const int size = i2d_X509(SSL_CTX_get0_certificate(peers.get()), &der);
  const std::string certificate(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  for (int round = 0; round < 3; ++round) {
    const handoff_tls_info info = ours.info();
    EXPECT_EQ("h2", std::string_view(info.alpn, info.alpn_length));
    EXPECT_EQ("example.org", std::string_view(info.server_name, info.server_name_length));
    EXPECT_EQ(certificate, std::string_view(static_cast<const char*>(info.peer_certificate),
                                            info.peer_certificate_length));
    ASSERT_NO_FATAL_FAILURE(ours.move());
  }
}

TEST(HandshakeTest, AClientDemandsTheNameThatItKnows) {
  const SslContext context = make_context(), peers = make_context();
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), SSL_CTX_get0_certificate(peers.get()));
  for (const bool right : {true, false}) {
    Ours ours(context.get(), false, right ? "example.org" : "example.com");
    Peer peer(peers.get(), true);
    talk(peer, ours);
    EXPECT_EQ(right ? 1 : 0, handoff_tls_established(ours.get()));
    EXPECT_EQ(right, peer.established() && !peer.failed());
    if (!right) {
      EXPECT_NE(nullptr, std::strstr(handoff_tls_error(ours.get()), "certificate verify failed"));
    }
  }
}

TEST(HandshakeTest, WhatIsNoTlsIsRefusedAtOnce) {
  const SslContext context = make_context();
  Ours ours(context.get(), true);
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, ours.feed("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_NE(nullptr, std::strstr(handoff_tls_error(ours.get()), "http request"));
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, ours.feed("more"));
  EXPECT_EQ(0, handoff_tls_established(ours.get()));
}

TEST(HandshakeTest, APeerWithoutASuiteThatMovesIsTold) {
  const SslContext context = make_context();
  const SslContext cbc = make_context("ECDHE-ECDSA-AES128-SHA256");
  Ours ours(context.get(), true);
  Peer peer(cbc.get(), false);
  talk(peer, ours);
  EXPECT_EQ(0, handoff_tls_established(ours.get()));
  peer.feed(ours.sent());
  EXPECT_TRUE(peer.failed());
}

TEST(HandshakeTest, AContextWithoutASuiteThatMovesIsRefused) {
  const SslContext cbc = make_context("ECDHE-ECDSA-AES128-SHA256");
  handoff_tls_context_t* context = nullptr;
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_tls_context_open(&context, cbc.get(), nullptr));
  EXPECT_EQ(nullptr, context);
}

TEST(HandshakeTest, SuitesThatWereSetAfterwardsAreRefused) {
  const SslContext context = make_context("ECDHE-ECDSA-AES128-GCM-SHA256");
  const SslContext peers = make_context("ECDHE-ECDSA-AES128-SHA256");
  Ours ours(context.get(), true);
  SSL_set_cipher_list(handoff_tls_ssl(ours.get()), "ECDHE-ECDSA-AES128-SHA256");
  Peer peer(peers.get(), false);
  talk(peer, ours);
  EXPECT_EQ(0, handoff_tls_established(ours.get()));
  EXPECT_NE(nullptr, std::strstr(handoff_tls_error(ours.get()), "can't move"));
}

TEST(HandshakeTest, ASessionWhoseSecretsAreNotToldIsRefused) {
  const SslContext context = make_context(), peers = make_context();
  Ours ours(context.get(), true);
  SSL_CTX_set_keylog_callback(context.get(), [](const SSL*, const char*) {});
  Peer peer(peers.get(), false);
  talk(peer, ours);
  EXPECT_EQ(0, handoff_tls_established(ours.get()));
  EXPECT_NE(nullptr, std::strstr(handoff_tls_error(ours.get()), "nonce a second time"));
}

int lines = 0;
TEST(HandshakeTest, AKeylogCallbackOfBeforeGetsAllLines) {
  const SslContext context = make_context(), peers = make_context();
  SSL_CTX_set_keylog_callback(context.get(), [](const SSL*, const char*) { ++lines; });
  ASSERT_EQ(0, handoff_tls_prepare(context.get()));
  Ours ours(context.get(), true);  // and once more
  Peer peer(peers.get(), false);
  lines = 0;
  talk(peer, ours);
  EXPECT_EQ(1, handoff_tls_established(ours.get()));
  EXPECT_EQ(5, lines);  // two of the handshake, two of the application, the exporter's
}

TEST(HandshakeTest, ServerCertificatesByName) {
  const SslContext first = make_context("", Key::kRsa), second = make_context();
  static SSL_CTX* other = nullptr;
  other = second.get();
  SSL_CTX_set_tlsext_servername_callback(
      first.get(), +[](SSL* ssl, int*, void*) {
        SSL_set_SSL_CTX(ssl, other);
        return SSL_TLSEXT_ERR_OK;
      });
  const SslContext peers = make_context();
  for (const bool prepared : {false, true}) {
    if (prepared) {
      ASSERT_EQ(0, handoff_tls_prepare(second.get()));
    }
    Ours ours(first.get(), true);
    Peer peer(peers.get(), false);
    SSL_set_tlsext_host_name(peer.ssl(), "example.org");
    talk(peer, ours);
    EXPECT_EQ(prepared ? 1 : 0, handoff_tls_established(ours.get()));
  }
}

TEST(HandshakeTest, OtherCertificatesCanBeTaken) {
  const SslContext first = make_context("", Key::kRsa), second = make_context(),
                   peers = make_context();
  handoff_tls_context_t* made = nullptr;
  ASSERT_EQ(0, handoff_tls_context_open(&made, first.get(), nullptr));
  const std::unique_ptr<handoff_tls_context_t, test::FreeTls> context(made);
  ASSERT_EQ(0, handoff_tls_own(made));
  ASSERT_EQ(0, handoff_tls_context_use(made, second.get()));
  handoff_tls_t* session = nullptr;
  ASSERT_EQ(0, handoff_tls_accept(&session, made, 0));
  EXPECT_EQ(second.get(), SSL_get_SSL_CTX(handoff_tls_ssl(session)));
  handoff_tls_free(session);
}

TEST(HandshakeTest, EarlyDataIsNotTaken) {
  const SslContext context = make_context("TLS_AES_128_GCM_SHA256");
  const SslContext peers = make_context("TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_max_early_data(context.get(), 16384);
  std::unique_ptr<SSL_SESSION, test::FreeSsl> session;
  for (int round = 0; round < 2; ++round) {
    Ours ours(context.get(), true);
    Peer peer(peers.get(), false);
    if (session) SSL_set_session(peer.ssl(), session.get());
    talk(peer, ours);
    ASSERT_EQ(1, handoff_tls_established(ours.get()));
    session.reset(SSL_get1_session(peer.ssl()));
    EXPECT_EQ(0U, SSL_SESSION_get_max_early_data(session.get()));
  }
}

}  // namespace
}  // namespace handoff::tls
