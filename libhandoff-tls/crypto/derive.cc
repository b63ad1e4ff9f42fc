#include "libhandoff-tls/crypto/derive.h"

#include <openssl/evp.h>

#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>

#include "libhandoff-tls/crypto/frames.h"
#include "libhandoff-tls/sys/openssl_memory.h"

namespace handoff::tls {
namespace {

constexpr std::size_t kMaxBlock = 128;  // SHA-384's

struct FreeContext {
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }  // wipes it
};

// RFC 2104; key_size is at most that of a block. OpenSSL's HMAC(3) takes twice the time, most of it
// to find the hash by its name, and its context lies in ordinary memory.
void hmac(const Suite& suite, const std::uint8_t* key, std::size_t key_size,
          const std::uint8_t* data, std::size_t size, std::uint8_t* out) {
  const WipesFrames<kHashFrames> of_openssl;
  const EVP_MD* const hash = evp_hash(suite);  // fetched outside of the arena, see aead.cc
  const OpensslInArena keys_in_arena;
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  if (context == nullptr) throw std::bad_alloc();
  const std::size_t block = suite.hash_size == kMaxHash ? kMaxBlock : kMaxBlock / 2;
  Secret<kMaxBlock> padded;
  std::memcpy(padded.data(), key, key_size);
  const auto digest = [&](std::uint8_t pad, const std::uint8_t* from, std::size_t n,
                          std::uint8_t* to) {
    for (std::size_t i = 0; i < block; ++i) padded.data()[i] ^= pad;
    return EVP_DigestInit_ex2(context.get(), hash, nullptr) == 1 &&
           EVP_DigestUpdate(context.get(), padded.data(), block) == 1 &&
           EVP_DigestUpdate(context.get(), from, n) == 1 &&
           EVP_DigestFinal_ex(context.get(), to, nullptr) == 1;
  };
  constexpr std::uint8_t kInner = 0x36, kOuter = 0x5c;
  Secret<kMaxHash> inner;
  if (!digest(kInner, data, size, inner.data()) ||
      !digest(kInner ^ kOuter, inner.data(), suite.hash_size, out)) {
    throw std::runtime_error("OpenSSL can't compute a hash");
  }
}

}  // namespace

void expand_label(const Suite& suite, const std::uint8_t* secret, std::string_view label,
                  std::uint8_t* out, std::size_t size) {
  // struct { uint16 length; opaque label<7..255> = "tls13 " + Label; opaque context<0..255>; }
  constexpr std::string_view kPrefix = "tls13 ";
  std::uint8_t info[64];
  if (size > suite.hash_size || label.size() + kPrefix.size() + 5 > sizeof info) {
    throw std::runtime_error("a label or what is to be derived from it is too long");
  }
  std::size_t n = 0;
  info[n++] = static_cast<std::uint8_t>(size >> 8);
  info[n++] = static_cast<std::uint8_t>(size);
  info[n++] = static_cast<std::uint8_t>(kPrefix.size() + label.size());
  std::memcpy(info + n, kPrefix.data(), kPrefix.size());
  n += kPrefix.size();
  std::memcpy(info + n, label.data(), label.size());
  n += label.size();
  info[n++] = 0;  // no context
  // T(1) of HKDF-Expand (RFC 5869, 2.3) is enough for size bytes.
  info[n++] = 1;
  Secret<kMaxHash> expanded;
  hmac(suite, secret, suite.hash_size, info, n, expanded.data());
  std::memcpy(out, expanded.data(), size);
}

KeyBlock key_block(const Suite& suite, const std::uint8_t* master,
                   const std::uint8_t* client_random, const std::uint8_t* server_random) {
  // PRF(master, "key expansion", server_random + client_random) = P_hash(master, seed)
  constexpr std::string_view kLabel = "key expansion";
  constexpr std::size_t kSeed = kLabel.size() + 2 * kRandomSize;
  const std::size_t hash = suite.hash_size;
  Secret<kMaxHash + kSeed> chained;  // A(i) + seed
  std::uint8_t* const a = chained.data();
  std::uint8_t* const seed = a + hash;
  std::memcpy(seed, kLabel.data(), kLabel.size());
  std::memcpy(seed + kLabel.size(), server_random, kRandomSize);
  std::memcpy(seed + kLabel.size() + kRandomSize, client_random, kRandomSize);

  Secret<2 * (kMaxKey + kNonceSize) + kMaxHash> block;
  const std::size_t needed = 2 * (suite.key_size + suite.iv_size());
  Secret<kMaxHash> next;
  hmac(suite, master, kMasterSize, seed, kSeed, next.data());  // A(1)
  for (std::size_t done = 0; done < needed; done += hash) {
    std::memcpy(a, next.data(), hash);
    hmac(suite, master, kMasterSize, a, hash + kSeed, block.data() + done);
    hmac(suite, master, kMasterSize, a, hash, next.data());
  }

  KeyBlock keys;
  const std::uint8_t* from = block.data();
  const auto take = [&from](std::uint8_t* to, std::size_t size) {
    std::memcpy(to, from, size);
    from += size;
  };
  take(keys.client_key.data(), suite.key_size);
  take(keys.server_key.data(), suite.key_size);
  take(keys.client_iv.data(), suite.iv_size());
  take(keys.server_iv.data(), suite.iv_size());
  return keys;
}

}  // namespace handoff::tls
