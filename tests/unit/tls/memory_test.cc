// Where keys lie in the memory of a process, found by reading all of it.
//
// The peer is another process, which tells the secrets and keys in disguise: a scan would find the
// tester's own copies, too.
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "hex.h"
#include "libhandoff-tls/core/tickets.h"
#include "libhandoff-tls/crypto/aead.h"
#include "libhandoff-tls/crypto/derive.h"
#include "libhandoff-tls/sys/arena.h"
#include "libhandoff/base/unique_fd.h"
#include "mappings.h"
#include "peer.h"

namespace handoff::tls {
namespace {

using test::make_context;
using test::SslContext;

constexpr char kDisguise = 0x5a;

std::string disguised(std::string text) {
  for (char& c : text) c = static_cast<char>(c ^ kDisguise);
  return text;
}

bool is_at(const char* place, const std::string& in_disguise) {
  return std::equal(in_disguise.begin(), in_disguise.end(), place,
                    [](char a, char b) { return a == static_cast<char>(b ^ kDisguise); });
}

// Where one of them stands, in memory that can be read. What was read for this is passed over.
std::vector<std::uintptr_t> places_of(const std::vector<std::string>& secrets) {
  std::vector<std::uintptr_t> out;
  static std::vector<char> chunk(1 << 20);
  const auto ours = reinterpret_cast<std::uintptr_t>(chunk.data());
  for (const test::Mapping& mapping : test::mappings()) {
    if (!mapping.has_flag("rd")) continue;
    for (std::uintptr_t at = mapping.begin; at < mapping.end;) {
      const iovec to{chunk.data(), std::min<std::size_t>(chunk.size(), mapping.end - at)};
      const iovec from{reinterpret_cast<void*>(at), to.iov_len};
      const ssize_t got = ::process_vm_readv(::getpid(), &to, 1, &from, 1, 0);
      if (got <= 0) break;  // the kernel's own, [vvar] say
      const char* const end = chunk.data() + got;
      for (const std::string& secret : secrets) {
        for (const char* p = chunk.data(); end - p >= static_cast<ssize_t>(secret.size()); ++p) {
          p = static_cast<const char*>(std::memchr(
              p, secret[0] ^ kDisguise, static_cast<std::size_t>(end - p) - secret.size() + 1));
          if (p == nullptr) break;
          const std::uintptr_t place = at + static_cast<std::uintptr_t>(p - chunk.data());
          if (is_at(p, secret) && (place < ours || place >= ours + chunk.size()))
            out.push_back(place);
        }
      }
      at += static_cast<std::uintptr_t>(got);
      if (at < mapping.end) at -= 32;  // what lies across two chunks
    }
  }
  return out;
}

// The stack below the function that calls these, as far down as OpenSSL may go.
constexpr std::size_t kDeep = 64 << 10;
const char* ended_frames = nullptr;
[[gnu::noinline]] void paint_frames() {
  char frames[kDeep];
  std::memset(frames, 0x5a, sizeof frames);
  const char* place = frames;
  __asm__ __volatile__("" : "+r"(place) : : "memory");
  ended_frames = place;
}
[[gnu::noinline]] void copy_frames(std::string& out) {
  std::memcpy(out.data(), ended_frames, kDeep);
}

// How many bytes of what f() leaves on the stack depend on some_key. What differs from call to call
// for other reasons, the address of a buffer say, does not count.
std::uint8_t some_key[kMaxHash];
template <class F>
std::size_t bytes_left_of_key(F&& f) {
  constexpr std::size_t kCalls = 8;
  std::vector<std::string> seen(kCalls, std::string(kDeep, '\0'));
  f();  // what OpenSSL sets up once
  for (std::size_t i = 0; i < kCalls; ++i) {
    std::memset(some_key, i % 2 == 0 ? 0x35 : 0xc9, sizeof some_key);
    paint_frames();
    f();
    copy_frames(seen[i]);
  }
  std::size_t count = 0;
  for (std::size_t at = 0; at < kDeep; ++at) {
    bool same = true;
    for (std::size_t i = 2; i < kCalls; ++i) same = same && seen[i][at] == seen[i - 2][at];
    if (same && seen[0][at] != seen[1][at]) ++count;
  }
  return count;
}

std::vector<std::string> keylog;

// The peer's process: a client that shakes hands, says hello, tells what it knows, and waits.
[[noreturn]] void run_peer(int wire, int told, SSL_CTX* context) {
  SSL_CTX_set_keylog_callback(context,
                              [](const SSL*, const char* line) { keylog.emplace_back(line); });
  SSL* const ssl = SSL_new(context);
  SSL_set_fd(ssl, wire);
  char hello[5];
  if (SSL_connect(ssl) != 1 || SSL_read(ssl, hello, 5) != 5) ::_exit(1);
  std::string all;
  if (SSL_version(ssl) == TLS1_3_VERSION) {
    const Suite& suite = *find_suite(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)));
    for (const std::string& line : keylog) {
      if (line.find("TRAFFIC_SECRET") == std::string::npos) continue;
      std::string secret = test::unhex(line.substr(line.rfind(' ') + 1));
      std::string key(suite.key_size, '\0');
      expand_label(suite, test::bytes(secret), "key", reinterpret_cast<std::uint8_t*>(key.data()),
                   key.size());
      all += disguised(secret.substr(0, 32)) +
             disguised(key + std::string(32 - key.size(), kDisguise));
    }
  } else {
    std::string master(48, '\0');
    SSL_SESSION_get_master_key(SSL_get_session(ssl),
                               reinterpret_cast<unsigned char*>(master.data()), 48);
    all += disguised(master.substr(0, 32));
  }
  if (::write(told, all.data(), all.size()) < 0) ::_exit(1);
  ::close(told);
  (void)!::read(wire, hello, 1);  // until the other has gone
  ::_exit(0);
}

class MemoryTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    context_ = make_context(GetParam());
    const SslContext peers = make_context(GetParam());
    int wire[2], told[2];
    ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, wire));
    ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, told));
    wire_.reset(wire[0]);
    told_.reset(told[0]);
    peer_ = ::fork();
    if (peer_ == 0) {
      wire_.reset();
      told_.reset();
      run_peer(wire[1], told[1], peers.get());
    }
    ::close(wire[1]);
    ::close(told[1]);
  }
  void TearDown() override {
    wire_.reset();
    int status = 0;
    ::waitpid(peer_, &status, 0);
  }
  void shake_hands(test::Ours& ours) {
    char buffer[8192];
    while (handoff_tls_established(ours.get()) == 0) {
      const ssize_t n = ::read(wire_.get(), buffer, sizeof buffer);
      ASSERT_LT(0, n);
      ASSERT_LE(0, ours.feed({buffer, static_cast<std::size_t>(n)}))
          << handoff_tls_error(ours.get());
      send(ours.sent());
    }
    send(ours.sealed("hello"));
  }
  void send(const std::string& bytes) {
    ASSERT_EQ(static_cast<ssize_t>(bytes.size()), ::write(wire_.get(), bytes.data(), bytes.size()));
  }
  // In disguise: secrets and keys, of 32 bytes, or of 16 with zeros behind.
  std::vector<std::string> told() {
    std::string all;
    char buffer[1024];
    for (ssize_t n = 0; (n = ::read(told_.get(), buffer, sizeof buffer)) > 0;) {
      all.append(buffer, static_cast<std::size_t>(n));
    }
    std::vector<std::string> out;
    for (std::size_t i = 0; i + 32 <= all.size(); i += 32) {
      std::string one = all.substr(i, 32);
      if (one.substr(16) == std::string(16, '\0')) one.resize(16);
      out.push_back(one);
    }
    return out;
  }

  SslContext context_;
  UniqueFd wire_, told_;
  pid_t peer_ = -1;
};
INSTANTIATE_TEST_SUITE_P(Suites, MemoryTest,
                         testing::Values("TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256",
                                         "ECDHE-ECDSA-AES256-GCM-SHA384"));

// Sanitizers make nothing of mlock(2).
TEST(LockedTest, KeysAreNotSwappedOutWhereTheLimitAllowsIt) {
  void* const p = Arena::instance().allocate(100);
  EXPECT_EQ(Arena::instance().unlocked() == 0, test::mapping_of(p).has_flag("lo"));
  Arena::instance().free(p);
}

TEST_P(MemoryTest, KeysLieInTheArenaAndAreGoneAfterwards) {
  auto ours = std::make_unique<test::Ours>(context_.get(), true);
  ASSERT_NO_FATAL_FAILURE(shake_hands(*ours));
  const std::vector<std::string> secrets = told();
  ASSERT_FALSE(secrets.empty());
  const bool tls13 = ours->info().version == 0x0304;
  const std::vector<std::uintptr_t> found = places_of(secrets);
  for (const std::uintptr_t at : found) {
    const test::Mapping mapping = test::mapping_of(reinterpret_cast<void*>(at));
    EXPECT_TRUE(mapping.has_flag("dd")) << "a key of a live session lies in " << mapping.name;
  }
  // The scan finds what is there: both traffic secrets, and the key by which hello was sealed.
  if (tls13) {
    EXPECT_LE(3U, found.size());
  }
  // In this process a session's cache keeps TLS 1.2's master secrets for resumption.
  SSL_CTX_flush_sessions(context_.get(), 0);
  ours.reset();
  context_.reset();
  EXPECT_EQ(0U, places_of(secrets).size()) << "a key outlives its session";
}

TEST(FramesTest, NothingOfAKeyIsLeftOnTheStack) {
  static std::uint8_t out[64];
  for (const std::uint16_t id : {0x1301, 0x1302, 0x1303}) {
    const Suite& suite = *find_suite(id);
    EXPECT_EQ(0U, bytes_left_of_key([&] { expand_label(suite, some_key, "key", out, 16); })) << id;
    EXPECT_EQ(0U, bytes_left_of_key([&] {
                Aead aead;
                aead.set_key(suite, some_key, true);
                aead.seal(out, "", "", -1, out + kNonceSize);
              }))
        << id;
  }
  const Suite& suite = *find_suite(0xC030);
  static KeyBlock keys;
  EXPECT_EQ(0U, bytes_left_of_key([&] { keys = key_block(suite, some_key, out, out); }));
}

// As a generation has them from the one before, and gives them to the next.
TEST(TicketMemoryTest, KeysLieInTheArenaAndAreGoneAfterwards) {
  const SslContext ssl = make_context();
  handoff_tls_context_t* made = nullptr;
  ASSERT_EQ(0, handoff_tls_context_open(&made, ssl.get(), nullptr));
  std::unique_ptr<handoff_tls_context_t, test::FreeTls> context(made);
  ASSERT_EQ(0, handoff_tls_tickets(made, 0));
  unsigned char keys[2 + TicketKey::kRandomSize + 8] = {1, 1};
  ASSERT_EQ(0, ::getentropy(keys + 2, TicketKey::kRandomSize));
  const std::vector<std::string> secrets = {
      disguised({reinterpret_cast<const char*>(keys) + 2 + TicketKey::kNameSize, 32}),
      disguised({reinterpret_cast<const char*>(keys) + 2 + TicketKey::kNameSize + 32, 32})};
  ASSERT_EQ(0, handoff_tls_load_tickets(made, keys, sizeof keys));
  wipe(keys, sizeof keys);
  unsigned char saved[HANDOFF_TLS_TICKETS_MAX];
  ASSERT_EQ(static_cast<ssize_t>(sizeof keys), handoff_tls_save_tickets(made, saved, sizeof saved));
  wipe(saved, sizeof saved);
  const std::vector<std::uintptr_t> found = places_of(secrets);
  EXPECT_EQ(2U, found.size());
  for (const std::uintptr_t at : found) {
    EXPECT_TRUE(test::mapping_of(reinterpret_cast<void*>(at)).has_flag("dd"));
  }
  context.reset();
  EXPECT_EQ(0U, places_of(secrets).size());
}

}  // namespace
}  // namespace handoff::tls
