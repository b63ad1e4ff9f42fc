// How one record is protected: RFC 8446 5.2, 5.3, 7.2 and 7.3; for TLS 1.2 RFC 5246 6.2.3.3,
// RFC 5288 3, RFC 7905 2. What a record may say, and when, is core/record.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libhandoff-tls/base/secret.h"
#include "libhandoff-tls/crypto/aead.h"
#include "libhandoff-tls/crypto/suite.h"

namespace handoff::tls {

enum class Type : std::uint8_t { kChangeCipher = 20, kAlert = 21, kHandshake = 22, kData = 23 };

constexpr std::size_t kHeaderSize = 5;  // type, version, length of what follows

// One direction's keys, and the number of its next record.
struct Direction {
  std::uint64_t sequence = 0;
  std::uint64_t explicit_nonce = 0;  // of the next record that is sealed by TLS 1.2 with GCM
  std::uint32_t generation = 0;      // KeyUpdates so far
  Secret<kMaxHash> secret;           // TLS 1.3: the traffic secret; TLS 1.2: the key
  Secret<kNonceSize> iv;
  Aead aead;  // set up when it is needed for the first time
};

// Bytes that a record has beside its header and its content.
std::size_t expansion(const Suite& suite);

// Writes a record to out: kHeaderSize + plain.size() + expansion() bytes. Throws std::bad_alloc or
// std::runtime_error; the number is used up then, or no key was set up.
void protect(const Suite& suite, Direction& d, Type type, std::string_view plain,
             std::uint8_t* out);

// Opens a whole record, header included, and says in size how many bytes of out it has. TLS 1.3's
// have the type and zeros behind the content. out has room for the record without header, expansion
// and type. False if it is not the peer's next record: nothing is used up then.
bool unprotect(const Suite& suite, Direction& d, std::string_view record, std::uint8_t* out,
               std::size_t& size);

// Takes off what TLS 1.3 has behind the content. False if there is no type.
bool take_inner_type(const std::uint8_t* bytes, std::size_t& size, Type& type);

// RFC 8446, 7.2: the keys of the next generation.
void next_secret(const Suite& suite, Direction& d);

}  // namespace handoff::tls
