#include "io/digest.h"

#include <sodium.h>
#include <unistd.h>

#include <array>
#include <vector>

namespace handoff::supervisor {
namespace {

constexpr std::size_t kChunk = 1 << 16;
using Hash = std::array<unsigned char, crypto_hash_sha256_BYTES>;

std::string hex(const Hash& hash) {
  std::array<char, crypto_hash_sha256_BYTES * 2 + 1> digits{};
  sodium_bin2hex(digits.data(), digits.size(), hash.data(), hash.size());
  return digits.data();
}

}  // namespace

Result<std::string> digest(int fd, const std::string& name) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  std::vector<unsigned char> chunk(kChunk);
  for (off_t offset = 0;;) {
    const ssize_t n = ::pread(fd, chunk.data(), chunk.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("reading " + name);
    if (n == 0) break;
    crypto_hash_sha256_update(&state, chunk.data(), static_cast<unsigned long long>(n));
    offset += n;
  }
  Hash hash{};
  crypto_hash_sha256_final(&state, hash.data());
  return hex(hash);
}

std::string digest(std::string_view text) {
  Hash hash{};
  crypto_hash_sha256(hash.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
  return hex(hash);
}

}  // namespace handoff::supervisor
