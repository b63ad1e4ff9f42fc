// Sessions with OpenSSL as the peer: every suite of both versions in both roles, moved all the
// time.
#include "peer.h"

#include <gtest/gtest.h>

#include <algorithm>

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

// The rest waits as records, in the sender's memory in the end.
TEST_P(PeerTest, PlaintextThatNobodyConsumesIsBounded) {
  Ours ours(context_.get(), server());
  Peer peer(peers_.get(), !server());
  talk(peer, ours);
  std::string all;
  for (int i = 0; i < 20; ++i) all += peer.sealed(std::string(16000, static_cast<char>('a' + i)));
  const std::size_t size = all.size();
  EXPECT_EQ(0, ours.feed(all)) << "a record whose plaintext waits is not consumed";
  const char* data = nullptr;
  EXPECT_EQ(80'000U, handoff_tls_plain(ours.get(), &data));
  EXPECT_EQ(0, ours.feed("")) << "nothing more until something is consumed";
  EXPECT_EQ(-EINVAL, handoff_tls_feed(ours.get(), "", 0)) << "what waits is to be given again";
  EXPECT_GT(300 + ours.info().peer_certificate_length, handoff_tls_save_size(ours.get()))
      << "a state has no plaintext";
  ASSERT_NO_FATAL_FAILURE(ours.move());
  EXPECT_EQ(80'000U, handoff_tls_plain(ours.get(), &data));
  std::string got;
  for (std::string more; !(more = ours.read()).empty(); ours.feed("")) got += more;
  EXPECT_EQ(320'000U, got.size());
  EXPECT_GT(size, got.size());
}

// Each time a part of a record is consumed, over KeyUpdates, and the session moves.
TEST_P(PeerTest, PartsOfARecordAreConsumedOverMoves) {
  Ours ours(context_.get(), server());
  Peer peer(peers_.get(), !server());
  talk(peer, ours);
  std::string sent, got;
  for (int round = 0; round < 30; ++round) {
    if (is_13() && round % 3 == 1) {
      SSL_key_update(peer.ssl(),
                     round % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
    }
    const std::string text(static_cast<std::size_t>(1 + round * 37 % 500),
                           static_cast<char>('a' + round % 26));
    sent += text;
    ASSERT_LE(0, ours.feed(peer.sealed(text))) << handoff_tls_error(ours.get());
    const char* data = nullptr;
    const std::size_t size = handoff_tls_plain(ours.get(), &data) * 2 / 3;
    got.append(data, size);
    ASSERT_EQ(0, handoff_tls_consume(ours.get(), size));
    if (round % 2 == 0) ours.feed("");  // consumed input is given up, or moves and is passed over
    ASSERT_NO_FATAL_FAILURE(ours.move());
    peer.feed(ours.sealed("x"));
  }
  got += ours.read();
  EXPECT_EQ(sent, got);
  EXPECT_FALSE(peer.failed());
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

}  // namespace
}  // namespace handoff::tls
