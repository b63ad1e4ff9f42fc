#include "libhandoff-tls/core/protection.h"

#include <cstring>

#include "libhandoff-tls/crypto/derive.h"

namespace handoff::tls {
namespace {

bool is_13(const Suite& suite) { return suite.version == Version::kTls13; }

void put(std::uint8_t* to, std::uint64_t number, std::size_t size) {
  for (std::size_t i = size; i-- > 0; number >>= 8) to[i] = static_cast<std::uint8_t>(number);
}

// GCM in TLS 1.2: the salt of the keys, then what the record says (RFC 5288, 3). All others: the
// IV, with the number XORed into its end (RFC 8446, 5.3; RFC 7905, 2).
Secret<kNonceSize> nonce_of(const Suite& suite, const Direction& d, const std::uint8_t* in_record) {
  Secret<kNonceSize> nonce = d.iv;
  if (suite.has_explicit_nonce()) {
    std::memcpy(nonce.data() + 4, in_record, 8);
    return nonce;
  }
  std::uint8_t number[8];
  put(number, d.sequence, sizeof number);
  for (std::size_t i = 0; i < sizeof number; ++i) nonce.data()[4 + i] ^= number[i];
  return nonce;
}

// What the tag covers beside the content: in TLS 1.3 the header as it is sent (RFC 8446, 5.2), in
// TLS 1.2 the number, and the header with the plaintext's length (RFC 5246, 6.2.3.3).
struct Aad {
  std::uint8_t bytes[13];
  std::size_t size;
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes), size}; }
};

Aad aad_of(const Suite& suite, const Direction& d, const std::uint8_t* header, std::size_t plain) {
  Aad aad{};
  if (is_13(suite)) {
    aad.size = kHeaderSize;
    std::memcpy(aad.bytes, header, kHeaderSize);
  } else {
    aad.size = 13;
    put(aad.bytes, d.sequence, 8);
    std::memcpy(aad.bytes + 8, header, 3);
    put(aad.bytes + 11, plain, 2);
  }
  return aad;
}

// RFC 8446, 7.3. In TLS 1.2 the secret is the key, and the IV is there.
void need_key(const Suite& suite, Direction& d, bool seals) {
  if (d.aead.has_key()) return;
  if (!is_13(suite)) return d.aead.set_key(suite, d.secret.data(), seals);
  Secret<kMaxKey> key;
  expand_label(suite, d.secret.data(), "key", key.data(), suite.key_size);
  expand_label(suite, d.secret.data(), "iv", d.iv.data(), kNonceSize);
  d.aead.set_key(suite, key.data(), seals);
}

std::size_t explicit_size(const Suite& suite) { return suite.has_explicit_nonce() ? 8 : 0; }

}  // namespace

std::size_t expansion(const Suite& suite) {
  return explicit_size(suite) + kTagSize + (is_13(suite) ? 1 : 0);
}

// The number is used up before anything can fail, so that no failure lets it be used again.
void protect(const Suite& suite, Direction& d, Type type, std::string_view plain,
             std::uint8_t* out) {
  need_key(suite, d, true);
  out[0] = static_cast<std::uint8_t>(is_13(suite) ? Type::kData : type);
  out[1] = out[2] = 3;
  put(out + 3, plain.size() + expansion(suite), 2);
  std::uint8_t* const body = out + kHeaderSize;
  if (suite.has_explicit_nonce()) put(body, d.explicit_nonce++, 8);
  const Secret<kNonceSize> nonce = nonce_of(suite, d, body);
  const Aad aad = aad_of(suite, d, out, plain.size());
  ++d.sequence;
  // TLSInnerPlaintext: the content, and the type behind it (RFC 8446, 5.2). We add no padding.
  d.aead.seal(nonce.data(), aad.view(), plain, is_13(suite) ? static_cast<int>(type) : -1,
              body + explicit_size(suite));
}

bool unprotect(const Suite& suite, Direction& d, std::string_view record, std::uint8_t* out,
               std::size_t& size) {
  if (record.size() < kHeaderSize + expansion(suite)) return false;
  need_key(suite, d, false);
  const auto* const header = reinterpret_cast<const std::uint8_t*>(record.data());
  const std::string_view sealed = record.substr(kHeaderSize + explicit_size(suite));
  size = sealed.size() - kTagSize;
  const Secret<kNonceSize> nonce = nonce_of(suite, d, header + kHeaderSize);
  if (!d.aead.open(nonce.data(), aad_of(suite, d, header, size).view(), sealed, out)) return false;
  ++d.sequence;
  return true;
}

bool take_inner_type(const std::uint8_t* bytes, std::size_t& size, Type& type) {
  while (size > 0 && bytes[size - 1] == 0) --size;
  if (size == 0) return false;
  type = Type{bytes[--size]};
  return true;
}

void next_secret(const Suite& suite, Direction& d) {
  Secret<kMaxHash> next;
  expand_label(suite, d.secret.data(), "traffic upd", next.data(), suite.hash_size);
  d.secret = next;
  d.sequence = 0;
  ++d.generation;
  d.aead.forget();
}

}  // namespace handoff::tls
