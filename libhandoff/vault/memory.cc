#include "libhandoff/vault/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "handoff/handoff.h"
#include "libhandoff/vault/layout.h"

namespace handoff::vault {
namespace {

constexpr int kFixedSize = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

}  // namespace

Result<UniqueFd> make_memory() {
  UniqueFd fd(::memfd_create("handoff-vault", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return fail_errno("memfd_create");
  if (::ftruncate(fd.get(), static_cast<off_t>(kMemorySize)) < 0)
    return fail_errno("sizing a vault");
  if (::fcntl(fd.get(), F_ADD_SEALS, kFixedSize) < 0) return fail_errno("sealing a vault");
  return fd;
}

Span::Span(Span&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      at_(other.at_),
      fd_(other.fd_) {}

Span& Span::operator=(Span&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(at_, other.at_);
  std::swap(fd_, other.fd_);
  return *this;
}

Span::~Span() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Result<Span> Span::map(int fd, std::uint64_t at, std::size_t size, bool writable) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  struct stat info {};
  if (seals < 0 || (seals & kFixedSize) != kFixedSize || ::fstat(fd, &info) < 0 ||
      info.st_size < 0 || static_cast<std::uint64_t>(info.st_size) != kMemorySize) {
    return fail(HANDOFF_ERR_PROTOCOL, "this is not the memory of a vault");
  }
  void* const data = ::mmap(nullptr, size, writable ? PROT_READ | PROT_WRITE : PROT_READ,
                            MAP_SHARED | MAP_NORESERVE, fd, static_cast<off_t>(at));
  if (data == MAP_FAILED) return fail_errno("mapping a vault");
  (void)::madvise(data, size, MADV_DONTDUMP);
  (void)::madvise(data, size, MADV_DONTFORK);
  Span out;
  out.data_ = static_cast<char*>(data);
  out.size_ = size;
  out.at_ = at;
  out.fd_ = fd;
  return out;
}

int Span::allocate(std::uint64_t from, std::uint64_t length) const {
  int result = 0;
  do {
    result = ::fallocate(fd_, 0, static_cast<off_t>(at_ + from), static_cast<off_t>(length));
  } while (result < 0 && errno == EINTR);
  return result < 0 ? errno : 0;
}

void Span::release(std::uint64_t from, std::uint64_t length) const {
  (void)::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at_ + from),
                    static_cast<off_t>(length));
}

}  // namespace handoff::vault
