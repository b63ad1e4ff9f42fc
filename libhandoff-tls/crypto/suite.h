// The cipher suites whose sessions move: AES-GCM and ChaCha20-Poly1305, of TLS 1.2 and 1.3.
#pragma once

#include <cstddef>
#include <cstdint>

struct evp_cipher_st;
struct evp_md_st;

namespace handoff::tls {

enum class Cipher : std::uint8_t { kAes128Gcm, kAes256Gcm, kChaCha20Poly1305 };
enum class Version : std::uint8_t { kTls12, kTls13 };

struct Suite {
  std::uint16_t id;  // IANA's number
  Version version;   // a suite belongs to one version
  Cipher cipher;
  std::uint8_t key_size;
  std::uint8_t hash_size;  // of the PRF or HKDF: 32 is SHA-256, 48 is SHA-384

  // TLS 1.2 with GCM sends 8 bytes of each nonce in the record (RFC 5288, 3). The others derive
  // the nonce from the sequence number.
  bool has_explicit_nonce() const {
    return version == Version::kTls12 && cipher != Cipher::kChaCha20Poly1305;
  }
  // Bytes of a nonce that come from the keys.
  std::size_t iv_size() const { return has_explicit_nonce() ? 4 : 12; }
};

// NULL for a suite that is not one of these.
const Suite* find_suite(std::uint16_t id);

// Fetched once for the process: a fetch takes microseconds. Throws std::runtime_error where
// OpenSSL's providers lack it.
const evp_cipher_st* evp_cipher(const Suite& suite);
const evp_md_st* evp_hash(const Suite& suite);

}  // namespace handoff::tls
