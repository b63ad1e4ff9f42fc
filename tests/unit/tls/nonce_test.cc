// One nonce is never used twice. Each row of the table in docs/decisions/0042 that this library can
// have, and whom it is refused to.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "libhandoff-tls/base/secret.h"
#include "libhandoff-tls/core/protection.h"
#include "libhandoff/base/unique_fd.h"
#include "peer.h"

namespace handoff::tls {
namespace {

using test::make_context;
using test::Ours;
using test::Peer;
using test::SslContext;
using test::talk;
using Context = std::unique_ptr<handoff_tls_context_t, test::FreeTls>;
using Session = std::unique_ptr<handoff_tls_t, test::FreeTls>;

class NonceTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    talk(peer_, ours_);
    ASSERT_EQ(1, handoff_tls_established(ours_.get()));
    peer_.feed(ours_.sealed("before"));
    ASSERT_EQ("before", peer_.read());
  }
  Context heirs_context() {
    handoff_tls_context_t* out = nullptr;
    EXPECT_EQ(0, handoff_tls_context_open(&out, context_.get(), nullptr));
    return Context(out);
  }
  static Session restore(const Context& context, const std::string& state) {
    handoff_tls_t* out = nullptr;
    EXPECT_EQ(0, handoff_tls_restore(&out, context.get(), state.data(), state.size()));
    return Session(out);
  }
  // All that could make a record, or open one. HANDOFF_ERR_ORDER from all of them, and no byte.
  static void expect_inert(handoff_tls_t* t, std::string_view from_peer) {
    EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_tls_write(t, "x", 1));
    EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_tls_shutdown(t));
    EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_tls_feed(t, from_peer.data(), from_peer.size()));
    // What is wrong would make an alert.
    EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_tls_feed(t, "no TLS record", 13));
    const int updated = handoff_tls_update_key(t, 1);
    EXPECT_TRUE(updated == HANDOFF_ERR_ORDER || updated == -ENOTSUP);
    const char* data = nullptr;
    EXPECT_EQ(0U, handoff_tls_out(t, &data));
    EXPECT_EQ(0U, handoff_tls_plain(t, &data));
  }

  SslContext context_ = make_context(GetParam());
  SslContext peers_ = make_context(GetParam());
  Ours ours_{context_.get(), true};
  Peer peer_{peers_.get(), false};
};
INSTANTIATE_TEST_SUITE_P(Suites, NonceTest,
                         testing::Values("TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256",
                                         "ECDHE-ECDSA-AES256-GCM-SHA384",
                                         "ECDHE-ECDSA-CHACHA20-POLY1305"));

// Copy and plan: the heir has the keys while the donor serves.
TEST_P(NonceTest, AnHeirIsInertUntilItOwnsAndHasCompared) {
  const std::string state = ours_.save();
  const Context context = heirs_context();
  const Session heir = restore(context, state);
  const std::string from_peer = peer_.sealed("hello");
  expect_inert(heir.get(), from_peer);
  ASSERT_EQ(0, handoff_tls_check(heir.get(), ours_.written(), 0));
  expect_inert(heir.get(), from_peer);  // compared, and does not own

  const Session other = restore(context, state);
  ASSERT_EQ(0, handoff_tls_own(context.get()));
  expect_inert(other.get(), from_peer);  // owns, and has not compared
  ASSERT_EQ(0, handoff_tls_check(other.get(), ours_.written(), 0));
  EXPECT_EQ(0, handoff_tls_write(other.get(), "x", 1));
}

// The freeze, and what comes after a switch.
TEST_P(NonceTest, AFrozenDonorIsInertAndGoesOnWhenItIsThawed) {
  const std::string from_peer = peer_.sealed("hello");
  ASSERT_EQ(0, handoff_tls_freeze(ours_.context()));
  expect_inert(ours_.get(), from_peer);
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_tls_own(ours_.context())) << "owning is once";
  ASSERT_EQ(0, handoff_tls_thaw(ours_.context()));
  ASSERT_LE(0, ours_.feed(from_peer));
  EXPECT_EQ("hello", ours_.read());
  peer_.feed(ours_.sealed("and on"));
  EXPECT_EQ("and on", peer_.read());

  ASSERT_EQ(0, handoff_tls_session_freeze(ours_.get()));
  expect_inert(ours_.get(), from_peer);
  ASSERT_EQ(0, handoff_tls_session_thaw(ours_.get()));
  peer_.feed(ours_.sealed("and on"));
  EXPECT_EQ("and on", peer_.read());
}

TEST_P(NonceTest, NoHandshakeBeginsInAProcessThatDoesNotOwn) {
  const Context context = heirs_context();
  handoff_tls_t* out = nullptr;
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_tls_accept(&out, context.get(), 0));
  EXPECT_EQ(nullptr, out);
  ASSERT_EQ(0, handoff_tls_own(context.get()));
  ASSERT_EQ(0, handoff_tls_accept(&out, context.get(), 0));
  const Session session(out);
  ASSERT_EQ(0, handoff_tls_freeze(context.get()));
  Peer peer(peers_.get(), false);
  expect_inert(session.get(), peer.feed(""));
}

// What is sealed belongs to the output, and is never sealed again.
TEST_P(NonceTest, WhatIsSealedIsTakenBeforeASave) {
  ASSERT_EQ(0, handoff_tls_write(ours_.get(), "hello", 5));
  EXPECT_EQ(0U, handoff_tls_save_size(ours_.get()));
  char state[1000];
  EXPECT_EQ(-EBUSY, handoff_tls_save(ours_.get(), state, sizeof state));
  const std::string output = ours_.sent();

  // Half of it was sent: the heir's comparison knows of the other half.
  const Context context = heirs_context();
  ASSERT_EQ(0, handoff_tls_own(context.get()));
  const Session heir = restore(context, ours_.save());
  const std::uint64_t half = output.size() / 2;
  EXPECT_EQ(HANDOFF_ERR_IDENTITY, handoff_tls_check(heir.get(), ours_.written() - half, 0));
  EXPECT_EQ(0, handoff_tls_check(heir.get(), ours_.written() - half, half));
}

// A bug, a forgotten touch, a wrong way back.
TEST_P(NonceTest, AStaleStateIsRefused) {
  const std::string stale = ours_.save();
  const std::uint64_t before = ours_.written();
  peer_.feed(ours_.sealed("sealed after the save"));
  const Context context = heirs_context();
  ASSERT_EQ(0, handoff_tls_own(context.get()));
  const Session heir = restore(context, stale);
  EXPECT_EQ(HANDOFF_ERR_IDENTITY, handoff_tls_check(heir.get(), ours_.written(), 0));
  EXPECT_NE(nullptr, std::strstr(handoff_tls_error(heir.get()), "reset the connection"));
  expect_inert(heir.get(), peer_.sealed("x"));
  ASSERT_EQ(0, handoff_tls_check(heir.get(), before, 0)) << "it is the position that it looks at";
}

// A move to another host: another kernel counts.
TEST_P(NonceTest, AnotherKernelsCountIsRebased) {
  const Context context = heirs_context();
  ASSERT_EQ(0, handoff_tls_own(context.get()));
  const Session heir = restore(context, ours_.save());
  const std::uint64_t other = 17;
  EXPECT_EQ(HANDOFF_ERR_IDENTITY, handoff_tls_check(heir.get(), other, 0));
  ASSERT_EQ(0, handoff_tls_rebase(heir.get(), other - ours_.written()));
  EXPECT_EQ(0, handoff_tls_check(heir.get(), other, 0));
}

// fork(): the child has no key, and finds its sessions inert.
TEST_P(NonceTest, AForkedChildHasNothing) {
  const std::string from_peer = peer_.sealed("hello");
  const pid_t child = ::fork();
  ASSERT_LE(0, child);
  if (child == 0) {
    expect_inert(ours_.get(), from_peer);
    EXPECT_EQ(0U, handoff_tls_save_size(ours_.get()));
    EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_tls_freeze(ours_.context()));
    ::_exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(child, ::waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
  ASSERT_LE(0, ours_.feed(from_peer));
  EXPECT_EQ("hello", ours_.read());
  peer_.feed(ours_.sealed("the parent goes on"));
  EXPECT_EQ("the parent goes on", peer_.read());
}

// ---- a passive decrypter, which knows the secrets and sees the wire ----

std::vector<std::string> keylog;

// Numbers the records of a server's output by the nonce that opens each.
class Decrypter {
 public:
  Decrypter(const Suite& suite, const std::string& secret_hex) : suite_(suite) {
    for (std::size_t i = 0; i < suite.hash_size; ++i) {
      direction_.secret.data()[i] =
          static_cast<std::uint8_t>(std::stoi(secret_hex.substr(2 * i, 2), nullptr, 16));
    }
  }
  // How often each number was used; -1 stands for records that none of those so far and of the next
  // ten opens.
  void see(std::string_view wire) {
    while (!wire.empty()) {
      const std::size_t size = kHeaderSize + (static_cast<std::uint8_t>(wire[3]) << 8 |
                                              static_cast<std::uint8_t>(wire[4]));
      ++used[number_of(wire.substr(0, size))];
      wire.remove_prefix(size);
    }
  }
  std::map<std::int64_t, int> used;

 private:
  std::int64_t number_of(std::string_view record) {
    std::vector<std::uint8_t> out(record.size());
    const auto last = used.empty() ? -1 : used.rbegin()->first;
    for (std::int64_t number = last + 10; number >= 0; --number) {
      direction_.sequence = static_cast<std::uint64_t>(number);
      std::size_t opened = 0;
      if (unprotect(suite_, direction_, record, out.data(), opened)) return number;
    }
    return -1;
  }

  const Suite& suite_;
  Direction direction_;
};

TEST(DecrypterTest, EachNumberIsUsedOnceOverMovesAndFailedHandoffs) {
  const SslContext context = make_context("TLS_AES_128_GCM_SHA256");
  const SslContext peers = make_context("TLS_AES_128_GCM_SHA256");
  keylog.clear();
  SSL_CTX_set_keylog_callback(peers.get(),
                              [](const SSL*, const char* line) { keylog.emplace_back(line); });
  Ours ours(context.get(), true);
  Peer peer(peers.get(), false);
  ASSERT_LE(0, ours.feed(peer.feed("")));
  const std::string last_flight = peer.feed(ours.sent());
  std::string secret;
  for (const std::string& line : keylog) {
    if (line.starts_with("SERVER_TRAFFIC_SECRET_0")) secret = line.substr(line.rfind(' ') + 1);
  }
  Decrypter decrypter(*find_suite(0x1301), secret);
  ASSERT_LE(0, ours.feed(last_flight));
  const auto to_peer = [&](const std::string& bytes) {
    decrypter.see(bytes);
    const std::string back = peer.feed(bytes);
    ASSERT_LE(0, ours.feed(back));
    ours.read();
  };
  to_peer(ours.sent());  // tickets
  const std::size_t tickets = decrypter.used.size();
  EXPECT_LT(0U, tickets);
  for (int round = 0; round < 60; ++round) {
    to_peer(ours.sealed("round " + std::to_string(round)));
    if (round % 3 == 0) {
      ASSERT_NO_FATAL_FAILURE(ours.move());
    } else if (round % 3 == 1) {  // a handoff that fails: somebody has the state, and it is thawed
      const std::string state = ours.save();
      ASSERT_EQ(0, handoff_tls_freeze(ours.context()));
      EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_tls_write(ours.get(), "x", 1));
      ASSERT_EQ(0, handoff_tls_thaw(ours.context()));
    }
    ASSERT_LE(0, ours.feed(peer.sealed("hello")));
    to_peer(ours.sealed(ours.read()));
  }
  EXPECT_EQ(tickets + 120, decrypter.used.size());
  std::int64_t expected = 0;
  for (const auto& [number, times] : decrypter.used) {
    EXPECT_EQ(expected++, number);
    EXPECT_EQ(1, times);
  }
  EXPECT_FALSE(peer.failed());
}

// TLS 1.2 with GCM sends the nonce in each record: none comes twice, from OpenSSL's Finished on.
TEST(DecrypterTest, NoExplicitNonceComesTwice) {
  for (const bool server : {true, false}) {
    const SslContext context = make_context("ECDHE-ECDSA-AES128-GCM-SHA256");
    const SslContext peers = make_context("ECDHE-ECDSA-AES128-GCM-SHA256");
    Ours ours(context.get(), server);
    Peer peer(peers.get(), !server);
    std::vector<std::string> nonces;
    bool changed = false;
    std::string from_peer = peer.feed("");
    for (int round = 0; round < 40; ++round) {
      ASSERT_LE(0, ours.feed(from_peer));
      std::string wire = ours.sent();
      if (handoff_tls_established(ours.get()) == 1) {
        wire += ours.sealed("round");
        ASSERT_NO_FATAL_FAILURE(ours.move());
      }
      from_peer = peer.feed(wire);
      for (std::string_view rest = wire; !rest.empty();) {
        const std::size_t size = kHeaderSize + (static_cast<std::uint8_t>(rest[3]) << 8 |
                                                static_cast<std::uint8_t>(rest[4]));
        if (changed) nonces.emplace_back(rest.substr(kHeaderSize, 8));
        changed = changed || rest[0] == 20;
        rest.remove_prefix(size);
      }
    }
    EXPECT_LT(35U, nonces.size());
    const std::set<std::string> once(nonces.begin(), nonces.end());
    EXPECT_EQ(nonces.size(), once.size());
    EXPECT_FALSE(peer.failed());
  }
}

// ---- the kernel's count ----

struct Tcp {
  Tcp() {
    listener.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(0, ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size));
    EXPECT_EQ(0, ::listen(listener.get(), 1));
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
    client.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(0, ::connect(client.get(), reinterpret_cast<sockaddr*>(&address), size));
    server.reset(::accept(listener.get(), nullptr, nullptr));
  }
  std::uint64_t written() const {
    std::uint64_t out = 0;
    EXPECT_EQ(0, handoff_tls_written(server.get(), &out));
    return out;
  }
  UniqueFd listener, client, server;
};

TEST(WrittenTest, CountsWhatTheKernelWasGiven) {
  const Tcp tcp;
  const std::uint64_t base = tcp.written();
  std::string bytes(100'000, 'x');
  std::uint64_t sent = 0;
  char buffer[8192];
  // With and without a reader: acknowledged and queued add up to the same.
  for (int round = 0; round < 200; ++round) {
    const ssize_t n = ::send(tcp.server.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n > 0) sent += static_cast<std::uint64_t>(n);
    ASSERT_EQ(base + sent, tcp.written());
    if (round % 2 == 0) {
      (void)!::recv(tcp.client.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      ASSERT_EQ(base + sent, tcp.written());
    }
  }
  EXPECT_LT(100'000U, sent);
}

TEST(WrittenTest, WhatCountsNothingIsRefused) {
  int pair[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
  const UniqueFd one(pair[0]), other(pair[1]);
  std::uint64_t out = 0;
  EXPECT_EQ(-EOPNOTSUPP, handoff_tls_written(one.get(), &out));
  EXPECT_EQ(-EBADF, handoff_tls_written(-1, &out));
}

// The guard on a real socket: the newest state is agreed on, an older one is not.
TEST(WrittenTest, ASessionOnASocketIsCompared) {
  const SslContext context = make_context(), peers = make_context();
  const Tcp tcp;
  handoff_tls_context_t* made = nullptr;
  ASSERT_EQ(0, handoff_tls_context_open(&made, context.get(), nullptr));
  const Context owner(made);
  ASSERT_EQ(0, handoff_tls_own(made));
  handoff_tls_t* session = nullptr;
  ASSERT_EQ(0, handoff_tls_accept(&session, made, tcp.written()));
  Session donor(session);
  Peer peer(peers.get(), false);
  const auto flush = [&] {
    const char* data = nullptr;
    const std::size_t size = handoff_tls_out(donor.get(), &data);
    if (size == 0) return std::string();
    EXPECT_EQ(static_cast<ssize_t>(size), ::send(tcp.server.get(), data, size, 0));
    std::string got(size, '\0');
    EXPECT_EQ(static_cast<ssize_t>(size), ::recv(tcp.client.get(), got.data(), size, MSG_WAITALL));
    handoff_tls_sent(donor.get(), size);
    return peer.feed(got);
  };
  for (std::string from_peer = peer.feed(""); !from_peer.empty(); from_peer = flush()) {
    ASSERT_EQ(static_cast<ssize_t>(from_peer.size()),
              handoff_tls_feed(donor.get(), from_peer.data(), from_peer.size()));
  }
  ASSERT_EQ(1, handoff_tls_established(donor.get()));
  std::string before(handoff_tls_save_size(donor.get()), '\0');
  ASSERT_LT(0, handoff_tls_save(donor.get(), before.data(), before.size()));
  ASSERT_EQ(0, handoff_tls_write(donor.get(), "hello", 5));
  flush();
  std::string after(handoff_tls_save_size(donor.get()), '\0');
  ASSERT_LT(0, handoff_tls_save(donor.get(), after.data(), after.size()));
  donor.reset();
  for (const auto& [state, result] : {std::pair{after, 0}, {before, HANDOFF_ERR_IDENTITY}}) {
    ASSERT_EQ(0, handoff_tls_restore(&session, made, state.data(), state.size()));
    donor.reset(session);
    EXPECT_EQ(result, handoff_tls_check(session, tcp.written(), 0));
  }
}

}  // namespace
}  // namespace handoff::tls
