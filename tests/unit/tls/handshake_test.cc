// Handshakes with OpenSSL as the peer: what is let in, what is known afterwards, what is off.
#include <gtest/gtest.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "libhandoff-tls/core/record.h"
#include "libhandoff-tls/sys/arena.h"
#include "peer.h"

namespace handoff::tls {
namespace {

using test::Key;
using test::make_context;
using test::Ours;
using test::Peer;
using test::SslContext;
using test::talk;

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

TEST(HandshakeTest, OtherFlightsAreProvenToo) {
  for (const int tickets : {0, 1, 5}) {
    for (const bool server : {true, false}) {
      const SslContext context = make_context(), peers = make_context();
      // The client guesses another group than the server's: HelloRetryRequest.
      SSL_CTX* const servers = server ? context.get() : peers.get();
      ASSERT_EQ(1, SSL_CTX_set1_groups_list(servers, "P-384"));
      SSL_CTX_set_num_tickets(servers, static_cast<std::size_t>(tickets));
      Ours ours(context.get(), server);
      Peer peer(peers.get(), !server);
      talk(peer, ours);
      ASSERT_EQ(1, handoff_tls_established(ours.get())) << handoff_tls_error(ours.get());
      const auto records = static_cast<std::uint64_t>(tickets);
      EXPECT_EQ(server ? records : 0, ours.info().records_written);
      EXPECT_EQ(server ? 0 : records, ours.info().records_read);
      ASSERT_NO_FATAL_FAILURE(ours.move());
      peer.feed(ours.sealed("hello"));
      EXPECT_EQ("hello", peer.read());
    }
  }
}

TEST(HandshakeTest, DatagramsAreRefused) {
  const SslContext dtls(SSL_CTX_new(DTLS_method()));
  handoff_tls_context_t* context = nullptr;
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_tls_context_open(&context, dtls.get(), nullptr));
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
    EXPECT_EQ("CN=example.org", std::string_view(info.peer_subject, info.peer_subject_length));
    unsigned char digest[32];
    ASSERT_EQ(1, X509_digest(SSL_CTX_get0_certificate(peers.get()), EVP_sha256(), digest, nullptr));
    ASSERT_NE(nullptr, info.peer_digest);
    EXPECT_EQ(0, std::memcmp(digest, info.peer_digest, sizeof digest));
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

// A record that OpenSSL seems to have written, and that no key of ours opens: what it was numbered,
// nobody knows.
TEST(HandshakeTest, ASessionWhoseRecordsCantBeOpenedAgainIsRefused) {
  for (const char* suite : {"TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256",
                            "ECDHE-ECDSA-CHACHA20-POLY1305"}) {
    const SslContext context = make_context(suite), peers = make_context(suite);
    const bool tls13 = std::string_view(suite).starts_with("TLS_");
    // The side that waits for the other's Finished, with its own sent.
    Ours ours(context.get(), tls13);
    Peer peer(peers.get(), !tls13);
    ASSERT_LE(0, ours.feed(peer.feed("")));
    std::string from_peer = peer.feed(ours.sent());
    if (!tls13) {
      ASSERT_LE(0, ours.feed(from_peer));
      from_peer = peer.feed(ours.sent());
    }
    ASSERT_NE(nullptr, handoff_tls_ssl(ours.get()));
    const std::string record = std::string{23, 3, 3, 0, 40} + std::string(40, 'x');
    BIO_write(SSL_get_wbio(handoff_tls_ssl(ours.get())), record.data(),
              static_cast<int>(record.size()));
    EXPECT_GT(0, ours.feed(from_peer));
    EXPECT_EQ(0, handoff_tls_established(ours.get()));
    EXPECT_NE(nullptr, std::strstr(handoff_tls_error(ours.get()), "nonce a second time"))
        << handoff_tls_error(ours.get());
  }
}

TEST(HandshakeTest, WhatDoesNotMoveIsOff) {
  const SslContext context = make_context();
  SSL_CTX_set_max_early_data(context.get(), 1000);
  SSL_CTX_set_post_handshake_auth(context.get(), 1);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_ALLOW_CLIENT_RENEGOTIATION | SSL_OP_ENABLE_KTLS);
  ASSERT_EQ(0, handoff_tls_prepare(context.get()));
  const std::uint64_t options = SSL_CTX_get_options(context.get());
  EXPECT_EQ(SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION,
            options & (SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                       SSL_OP_ALLOW_CLIENT_RENEGOTIATION | SSL_OP_ENABLE_KTLS));
  EXPECT_EQ(0U, SSL_CTX_get_max_early_data(context.get()));
  EXPECT_EQ(TLS1_2_VERSION, SSL_CTX_get_min_proto_version(context.get()));
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

// A message may come in several records (RFC 5246, 6.2.1). OpenSSL as the peer cuts none so small.
TEST(HandshakeTest, AFinishedInManyRecordsIsCounted) {
  const char* const name = "ECDHE-ECDSA-AES128-GCM-SHA256";
  const Suite& suite = *find_suite(0xC02B);
  const SslContext context = make_context(name), peers = make_context(name);
  Ours ours(context.get(), true);
  Peer peer(peers.get(), false);
  ASSERT_LE(0, ours.feed(peer.feed("")));
  std::string flight = peer.feed(ours.sent());
  std::string finished("\x14\x00\x00\x0c", 4);
  finished.resize(16);
  ASSERT_EQ(12U, SSL_get_finished(peer.ssl(), finished.data() + 4, 12));
  flight.resize(flight.size() - kHeaderSize - finished.size() - expansion(suite));

  unsigned char master[kMasterSize], client[kRandomSize], server[kRandomSize];
  SSL_SESSION_get_master_key(SSL_get_session(peer.ssl()), master, sizeof master);
  SSL_get_client_random(peer.ssl(), client, sizeof client);
  SSL_get_server_random(peer.ssl(), server, sizeof server);
  const KeyBlock keys = key_block(suite, master, client, server);
  const InArena<Direction> writing = make_in_arena<Direction>();
  std::copy_n(keys.client_key.data(), suite.key_size, writing->secret.data());
  writing->iv = keys.client_iv;
  const auto sealed = [&](Type type, std::string_view plain) {
    std::vector<std::uint8_t> out(kHeaderSize + plain.size() + expansion(suite));
    protect(suite, *writing, type, plain, out.data());
    return std::string(out.begin(), out.end());
  };
  for (const char& byte : finished) flight += sealed(Type::kHandshake, {&byte, 1});
  ASSERT_LE(0, ours.feed(flight)) << handoff_tls_error(ours.get());
  ASSERT_EQ(1, handoff_tls_established(ours.get()));
  EXPECT_EQ(finished.size(), ours.info().records_read);
  ASSERT_LE(0, ours.feed(sealed(Type::kData, "hello"))) << handoff_tls_error(ours.get());
  EXPECT_EQ("hello", ours.read());
}

TEST(HandshakeTest, EarlyDataThatAnotherServerWouldTakeIsPassedOver) {
  const SslContext before = make_context("TLS_AES_128_GCM_SHA256");
  const SslContext context = make_context("TLS_AES_128_GCM_SHA256");
  const SslContext peers = make_context("TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_max_early_data(before.get(), 16384);
  Peer server(before.get(), true), client(peers.get(), false);
  for (std::string bytes = client.feed(""); !bytes.empty();)
    bytes = client.feed(server.feed(bytes));
  const std::unique_ptr<SSL_SESSION, test::FreeSsl> session(SSL_get1_session(client.ssl()));
  ASSERT_EQ(16384U, SSL_SESSION_get_max_early_data(session.get()));

  Ours ours(context.get(), true);
  Peer peer(peers.get(), false);
  SSL_set_session(peer.ssl(), session.get());
  std::size_t written = 0;
  ASSERT_EQ(1, SSL_write_early_data(peer.ssl(), "too early", 9, &written));
  SSL_do_handshake(peer.ssl());
  talk(peer, ours);
  ASSERT_EQ(1, handoff_tls_established(ours.get())) << handoff_tls_error(ours.get());
  EXPECT_EQ(SSL_EARLY_DATA_REJECTED, SSL_get_early_data_status(peer.ssl()));
  ASSERT_LE(0, ours.feed(peer.sealed("in time")));
  EXPECT_EQ("in time", ours.read());
}

}  // namespace
}  // namespace handoff::tls
