#include "libhandoff-tls/crypto/suite.h"

#include <openssl/evp.h>

#include <stdexcept>
#include <string>

namespace handoff::tls {
namespace {

using enum Cipher;

constexpr Suite kSuites[] = {
    {0x1301, Version::kTls13, kAes128Gcm, 16, 32},
    {0x1302, Version::kTls13, kAes256Gcm, 32, 48},
    {0x1303, Version::kTls13, kChaCha20Poly1305, 32, 32},
    // RFC 5288: RSA and DHE_RSA
    {0x009C, Version::kTls12, kAes128Gcm, 16, 32},
    {0x009D, Version::kTls12, kAes256Gcm, 32, 48},
    {0x009E, Version::kTls12, kAes128Gcm, 16, 32},
    {0x009F, Version::kTls12, kAes256Gcm, 32, 48},
    // RFC 5289: ECDHE_ECDSA and ECDHE_RSA
    {0xC02B, Version::kTls12, kAes128Gcm, 16, 32},
    {0xC02C, Version::kTls12, kAes256Gcm, 32, 48},
    {0xC02F, Version::kTls12, kAes128Gcm, 16, 32},
    {0xC030, Version::kTls12, kAes256Gcm, 32, 48},
    // RFC 7905: ECDHE_RSA, ECDHE_ECDSA, DHE_RSA
    {0xCCA8, Version::kTls12, kChaCha20Poly1305, 32, 32},
    {0xCCA9, Version::kTls12, kChaCha20Poly1305, 32, 32},
    {0xCCAA, Version::kTls12, kChaCha20Poly1305, 32, 32},
};

const EVP_CIPHER* fetch_cipher(const char* name) {
  const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, name, nullptr);
  if (cipher == nullptr) throw std::runtime_error(std::string("OpenSSL has no ") + name);
  return cipher;
}

const EVP_MD* fetch_hash(const char* name) {
  const EVP_MD* const hash = EVP_MD_fetch(nullptr, name, nullptr);
  if (hash == nullptr) throw std::runtime_error(std::string("OpenSSL has no ") + name);
  return hash;
}

}  // namespace

const Suite* find_suite(std::uint16_t id) {
  for (const Suite& suite : kSuites) {
    if (suite.id == id) return &suite;
  }
  return nullptr;
}

const EVP_CIPHER* evp_cipher(const Suite& suite) {
  static const EVP_CIPHER* const aes128 = fetch_cipher("AES-128-GCM");
  static const EVP_CIPHER* const aes256 = fetch_cipher("AES-256-GCM");
  switch (suite.cipher) {
    case kAes128Gcm:
      return aes128;
    case kAes256Gcm:
      return aes256;
    case kChaCha20Poly1305:
      break;
  }
  // A provider in FIPS mode has no ChaCha20, so only a session that uses it asks for it.
  static const EVP_CIPHER* const chacha = fetch_cipher("ChaCha20-Poly1305");
  return chacha;
}

const EVP_MD* evp_hash(const Suite& suite) {
  static const EVP_MD* const sha256 = fetch_hash("SHA256");
  static const EVP_MD* const sha384 = fetch_hash("SHA384");
  return suite.hash_size == 48 ? sha384 : sha256;
}

}  // namespace handoff::tls
