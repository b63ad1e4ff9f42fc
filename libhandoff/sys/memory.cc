#include "libhandoff/sys/memory.h"

#define XXH_INLINE_ALL
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <utility>

#include "handoff/handoff.h"
#include "libhandoff/sys/failpoint.h"

namespace handoff::io {
namespace {

constexpr int kFixedSize = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr int kImmutable = kFixedSize | F_SEAL_WRITE;

Result<UniqueFd> make(std::size_t size) {
  if (const int error = failpoint::hit("service.memory.create"); error != 0) {
    return Failure(Error::from_errno(error, "shared memory for the transfer of state"));
  }
  UniqueFd fd(::memfd_create("handoff", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return fail_errno("memfd_create");
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) < 0) return fail_errno("sizing a memfd");
  return fd;
}

Result<void> check(int fd, std::size_t size, int seals) {
  const int have = ::fcntl(fd, F_GET_SEALS);
  if (have < 0 || (have & seals) != seals) {
    return fail(HANDOFF_ERR_PROTOCOL, "the peer's shared memory is not sealed");
  }
  struct stat info {};
  if (::fstat(fd, &info) < 0) return fail_errno("fstat of shared memory");
  if (info.st_size < 0 || static_cast<std::uint64_t>(info.st_size) < size) {
    return fail(HANDOFF_ERR_PROTOCOL, "the peer's shared memory has " +
                                          std::to_string(info.st_size) + " bytes, not " +
                                          std::to_string(size));
  }
  return {};
}

}  // namespace

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Result<Mapping> Mapping::of(int fd, std::size_t size, bool writable) {
  Mapping mapping;
  if (size == 0) return mapping;
  void* at =
      ::mmap(nullptr, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return fail_errno("mapping shared memory");
  // What it carries may be keys, and is in the service's own memory beside it.
  (void)::madvise(at, size, MADV_DONTDUMP);
  mapping.data_ = static_cast<char*>(at);
  mapping.size_ = size;
  return mapping;
}

Result<UniqueFd> make_blob(std::span<const std::string_view> parts) {
  std::size_t size = 0;
  for (const auto part : parts) size += part.size();
  auto fd = make(size);
  if (!fd) return fd;
  for (std::string_view part : parts) {
    while (!part.empty()) {
      const ssize_t n = ::write(fd->get(), part.data(), part.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return fail_errno("writing a session's state to a memfd");
      part.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  if (::fcntl(fd->get(), F_ADD_SEALS, kImmutable) < 0) return fail_errno("sealing a memfd");
  return fd;
}

Result<Mapping> map_blob(int fd, std::size_t size) {
  if (const auto ok = check(fd, size, kImmutable); !ok) return Failure(ok.error());
  return Mapping::of(fd, size, false);
}

Result<RingMemory> make_ring(std::size_t size) {
  auto fd = make(size);
  if (!fd) return Failure(fd.error());
  // A full memory must be an error here. Later it would be a SIGBUS in the service's own code, so
  // the kernel allocates all of it now.
  if (::fallocate(fd->get(), 0, 0, static_cast<off_t>(size)) < 0) {
    return fail_errno("memory for the transfer of sections");
  }
  if (::fcntl(fd->get(), F_ADD_SEALS, kFixedSize) < 0) return fail_errno("sealing a memfd");
  auto mapping = Mapping::of(fd->get(), size, true);
  if (!mapping) return Failure(mapping.error());
  return RingMemory{std::move(*fd), std::move(*mapping)};
}

void take_for_a_moment(std::size_t size) {
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (at != MAP_FAILED) ::munmap(at, size);
}

Result<Mapping> map_ring(int fd, std::size_t size) {
  if (const auto ok = check(fd, size, kFixedSize); !ok) return Failure(ok.error());
  return Mapping::of(fd, size, false);
}

Result<Mapping> map_shared(int fd, std::size_t size) {
  if (const auto ok = check(fd, size, kFixedSize); !ok) return Failure(ok.error());
  auto mapping = Mapping::of(fd, size, true);
  if (!mapping && mapping.error().code != -ENOMEM) {
    return fail(HANDOFF_ERR_PROTOCOL, "the peer's shared memory can't be written");
  }
  return mapping;
}

std::uint64_t checksum(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint64_t checksum(std::string_view a, std::string_view b, std::string_view c) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (const auto part : {a, b, c}) XXH3_64bits_update(&state, part.data(), part.size());
  return XXH3_64bits_digest(&state);
}

}  // namespace handoff::io
