// Signatures in minisign's format: ed25519 over the file itself (algorithm "Ed") or over its
// BLAKE2b-512 (algorithm "ED", what minisign writes today), and a second signature over the first
// one and the trusted comment. https://jedisct1.github.io/minisign/ describes both files.
#pragma once

#include <array>
#include <span>
#include <string>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

struct PublicKey {
  std::array<unsigned char, 8> id{};
  std::array<unsigned char, 32> key{};
  friend bool operator==(const PublicKey&, const PublicKey&) = default;
};

struct Signature {
  bool prehashed = false;
  std::array<unsigned char, 8> key_id{};
  std::array<unsigned char, 64> over_file{};
  std::string trusted_comment;
  std::array<unsigned char, 64> over_comment{};
};

// The key itself ("RWQ..."), or the text of a .pub file, which has a comment above it.
Result<PublicKey> parse_public_key(const std::string& text);
// The text of a .minisig file.
Result<Signature> parse_signature(const std::string& text);

// Succeeds if the holder of the key has signed exactly these bytes and the trusted comment. The
// Error says which of the key, the bytes and the comment is another.
Result<void> verify(const PublicKey& key, const Signature& signature,
                    std::span<const unsigned char> bytes);

// As minisign prints it: 16 hex digits.
std::string key_id(const std::array<unsigned char, 8>& id);

}  // namespace handoff::supervisor
