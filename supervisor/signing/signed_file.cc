#include "supervisor/signing/signed_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <span>

#include "supervisor/core/claim.h"
#include "supervisor/signing/signature.h"

namespace handoff::supervisor {
namespace {

constexpr off_t kMostInMemory = 1LL << 30;
constexpr std::size_t kLongestText = 64 * 1024;

#ifndef MFD_EXEC
constexpr unsigned kMfdExec = 0x10;  // of newer kernels, which may refuse executables without it
#else
constexpr unsigned kMfdExec = MFD_EXEC;
#endif

Result<off_t> size_of(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) < 0) return fail_errno(path);
  return info.st_size;
}

Result<void> copy(int from, int to, const std::string& path) {
  off_t offset = 0;
  for (;;) {
    const ssize_t n = ::sendfile(to, from, &offset, 1 << 30);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("copying " + path);
    if (n == 0) return {};
  }
}

Result<std::string> read_text(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return fail_errno(path);
  std::string text(kLongestText, '\0');
  ssize_t n = 0;
  do {
    n = ::pread(file.get(), text.data(), text.size(), 0);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return fail_errno(path);
  if (static_cast<std::size_t>(n) == text.size()) return fail(-EFBIG, path + " is too long");
  text.resize(static_cast<std::size_t>(n));
  return text;
}

class Mapping {
 public:
  Mapping(int fd, std::size_t size) : size_(size) {
    if (size > 0) at_ = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  }
  ~Mapping() {
    if (valid() && size_ > 0) (void)::munmap(at_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  bool valid() const { return at_ != MAP_FAILED; }
  std::span<const unsigned char> bytes() const {
    return {static_cast<const unsigned char*>(at_), size_};
  }

 private:
  void* at_ = nullptr;
  std::size_t size_;
};

Failure reject(const std::string& why) { return fail(-EKEYREJECTED, why); }

}  // namespace

Result<UniqueFd> sealed_copy(int fd, const std::string& path) {
  const auto size = size_of(fd, path);
  if (!size) return Failure(size.error());
  if (*size > kMostInMemory) {
    return fail(-EFBIG, path + " is too big to be verified: make it a bundle");
  }
  const std::string name = path.substr(path.rfind('/') + 1).substr(0, 200);
  UniqueFd writable(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | kMfdExec));
  if (!writable.valid() && errno == EINVAL) {
    writable.reset(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  }
  if (!writable.valid()) return fail_errno("memory for " + path);
  if (auto copied = copy(fd, writable.get(), path); !copied) return Failure(copied.error());
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (::fcntl(writable.get(), F_ADD_SEALS, kSeals) < 0) return fail_errno("sealing " + path);
  // Nothing is executed that is open for writing.
  const std::string own = "/proc/self/fd/" + std::to_string(writable.get());
  UniqueFd out(::open(own.c_str(), O_RDONLY | O_CLOEXEC));
  if (!out.valid()) return fail_errno("opening the copy of " + path);
  return out;
}

Result<UniqueFd> hidden_copy(int fd, const std::string& path, int folder) {
  UniqueFd out(::openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!out.valid()) return fail_errno("copying " + path);
  if (auto copied = copy(fd, out.get(), path); !copied) return Failure(copied.error());
  return out;
}

Result<std::string> key_text(const std::string& key) {
  if (!key.starts_with('/')) return key;
  struct stat info {};
  if (::stat(key.c_str(), &info) < 0) return fail_errno(key);
  if ((info.st_mode & S_IWOTH) != 0 || (info.st_uid != 0 && info.st_uid != ::geteuid())) {
    return fail(-EPERM, key +
                            " can be changed by others: so could be whose word counts (chown, "
                            "chmod o-w)");
  }
  return read_text(key);
}

Result<Vouched> verify_file(int fd, const std::string& path, const std::string& key) {
  const auto text = key_text(key);
  if (!text) return reject(path + " can't be verified: verify.key: " + text.error().message);
  const auto with = parse_public_key(*text);
  if (!with) return reject(path + " can't be verified: verify.key: " + with.error().message);
  const std::string signed_by = path + ".minisig";
  const auto lines = read_text(signed_by);
  if (!lines) {
    if (lines.error().code == -ENOENT) {
      return reject(path + " is not signed, and only what is signed may run: there is no " +
                    signed_by);
    }
    return reject(path + " can't be verified: " + lines.error().message);
  }
  const auto signature = parse_signature(*lines);
  if (!signature) return reject(signed_by + ": " + signature.error().message);
  const auto size = size_of(fd, path);
  if (!size) return Failure(size.error());
  const Mapping mapping(fd, static_cast<std::size_t>(*size));
  if (!mapping.valid()) return fail_errno("reading " + path);
  const auto good = verify(*with, *signature, mapping.bytes());
  if (!good) return reject(path + " is not run: " + good.error().message);
  return Vouched{key_id(with->id), signature->trusted_comment};
}

Result<std::string> version_for(const std::string& service, const Vouched& vouched,
                                const std::string& path) {
  auto claim = parse_claim(vouched.comment);
  std::string why;
  if (!claim) {
    why = "its signature " + claim.error().message;
  } else if (claim->service != service) {
    why = "it is signed for service \"" + claim->service + "\", and this is \"" + service + "\"";
  } else {
    return std::move(claim->version);
  }
  return reject(path + " is not run: " + why + "; sign it by minisign -S -s KEY -t \"service=" +
                service + " version=VERSION\" -m " + path);
}

}  // namespace handoff::supervisor
