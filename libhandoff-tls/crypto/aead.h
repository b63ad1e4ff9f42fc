// An AEAD with one key, for one direction. OpenSSL computes; this class owns its context.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libhandoff-tls/base/secret.h"
#include "libhandoff-tls/crypto/suite.h"

struct evp_cipher_ctx_st;

namespace handoff::tls {

// All zeros is an Aead without a key: a page that a fork has wiped holds one.
class Aead {
 public:
  Aead() = default;
  Aead(const Aead&) = delete;
  Aead& operator=(const Aead&) = delete;
  ~Aead() { forget(); }

  bool has_key() const { return context_ != nullptr; }
  // Throws std::bad_alloc or std::runtime_error, without a key then.
  void set_key(const Suite& suite, const std::uint8_t* key, bool seals);
  void forget();

  // Writes plain.size() + 1 + kTagSize bytes to out, or without the byte behind it where tail is
  // negative. out may be where plain lies.
  void seal(const std::uint8_t* nonce, std::string_view aad, std::string_view plain, int tail,
            std::uint8_t* out);
  // Writes sealed.size() - kTagSize bytes to out. False if they are not what was sealed, which says
  // nothing about what is in out then.
  bool open(const std::uint8_t* nonce, std::string_view aad, std::string_view sealed,
            std::uint8_t* out);

 private:
  evp_cipher_ctx_st* context_ = nullptr;
};

}  // namespace handoff::tls
