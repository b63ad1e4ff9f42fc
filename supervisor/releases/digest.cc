// libgcrypt, since it uses what the processor has for this: an upgrade waits for the digest of its
// binary, and libsodium's takes three times as long.
#include "supervisor/releases/digest.h"

#include <gcrypt.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <new>
#include <vector>

#include "libhandoff/sys/failpoint.h"

namespace handoff::supervisor {
namespace {

constexpr std::size_t kChunk = 1 << 16;
constexpr std::size_t kBytes = 32;

struct CloseHash {
  void operator()(gcry_md_handle* hash) const { ::gcry_md_close(hash); }
};
using Hash = std::unique_ptr<gcry_md_handle, CloseHash>;

// gcrypt must be asked for its version before threads use it. Nothing here is secret.
Hash begin() {
  static const bool ready = [] {
    (void)::gcry_check_version(nullptr);
    (void)::gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
    (void)::gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    return true;
  }();
  gcry_md_hd_t hash = nullptr;
  if (ready && ::gcry_md_open(&hash, GCRY_MD_SHA256, 0) != 0) hash = nullptr;
  return Hash(hash);
}

std::string end(const Hash& hash) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const unsigned char* bytes = ::gcry_md_read(hash.get(), GCRY_MD_SHA256);
  std::string out;
  for (std::size_t i = 0; i < kBytes; ++i) {
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

}  // namespace

Result<std::string> digest(int fd, const std::string& name) {
  if (const int error = failpoint::hit("supervisor.digest.before"); error != 0) {
    return Failure(Error::from_errno(error, "reading " + name));
  }
  const Hash hash = begin();
  if (!hash) return fail(-ENOMEM, "digesting " + name);
  std::vector<unsigned char> chunk(kChunk);
  for (off_t offset = 0;;) {
    const ssize_t n = ::pread(fd, chunk.data(), chunk.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("reading " + name);
    if (n == 0) break;
    ::gcry_md_write(hash.get(), chunk.data(), static_cast<std::size_t>(n));
    offset += n;
  }
  return end(hash);
}

std::string digest(std::string_view text) {
  const Hash hash = begin();
  if (!hash) throw std::bad_alloc();
  ::gcry_md_write(hash.get(), text.data(), text.size());
  return end(hash);
}

}  // namespace handoff::supervisor
