// How keys come from secrets: HKDF-Expand-Label of TLS 1.3 (RFC 8446, 7.1), the PRF of TLS 1.2
// (RFC 5246, 5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libhandoff-tls/base/secret.h"
#include "libhandoff-tls/crypto/suite.h"

namespace handoff::tls {

// HKDF-Expand-Label(secret, label, "", size). secret has suite.hash_size bytes, and out gets at
// most as many: all that the record layer derives is that short. Throws std::runtime_error if
// OpenSSL fails, as all of these do.
void expand_label(const Suite& suite, const std::uint8_t* secret, std::string_view label,
                  std::uint8_t* out, std::size_t size);

// The two directions' keys of a TLS 1.2 session (RFC 5246, 6.3). No suite here has a MAC key.
struct KeyBlock {
  Secret<kMaxKey> client_key, server_key;
  Secret<kNonceSize> client_iv, server_iv;  // suite.iv_size() bytes of each
};
constexpr std::size_t kMasterSize = 48;
constexpr std::size_t kRandomSize = 32;
KeyBlock key_block(const Suite& suite, const std::uint8_t* master,
                   const std::uint8_t* client_random, const std::uint8_t* server_random);

}  // namespace handoff::tls
