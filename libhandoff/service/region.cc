#include "libhandoff/service/region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "libhandoff/sys/failpoint.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_SEAL;
// Under one of these seals the owner could not grow or write the region.
constexpr int kUnusable = F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
// A signal interrupts fallocate(2) and undoes what it has allocated. A step of 16 MiB is short
// enough (about 4 ms) to get through between signals.
constexpr std::size_t kStep = std::size_t{16} << 20;

std::string quoted(const std::string& name) { return "region '" + name + "'"; }
std::string bytes(std::uint64_t number) { return std::to_string(number) + " bytes"; }

}  // namespace

Region::Region(Region&& other) noexcept
    : declared_(std::move(other.declared_)),
      version_(other.version_),
      fd_(std::move(other.fd_)),
      base_(std::exchange(other.base_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      hold_(std::exchange(other.hold_, Hold::kNothing)),
      adopted_(other.adopted_) {}

Region::~Region() { drop(); }

void Region::drop() {
  if (base_ != nullptr) ::munmap(base_, declared_.max_size);
  base_ = nullptr;
  size_ = 0;
  fd_.reset();
  hold_ = Hold::kNothing;
  version_ = declared_.version;
  adopted_ = false;
}

core::Kind Region::kind() const {
  return {.name = declared_.name,
          .version = version_,
          .reads = declared_.reads,
          .writes = {version_},
          .region = true};
}

// The mapping is writable at first, also in an heir: that shows a memfd that can't be written while
// the heir can still reject the handoff.
Result<void> Region::map(int fd) {
  void* const at = ::mmap(nullptr, declared_.max_size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (at == MAP_FAILED) {
    return fail_errno(quoted(name()) + ": addresses for its greatest size, " +
                      bytes(declared_.max_size));
  }
  base_ = static_cast<std::byte*>(at);
  return {};
}

Result<void> Region::start_empty() {
  drop();
  if (const int error = failpoint::hit("service.memory.create"); error != 0) {
    return Failure(Error::from_errno(error, quoted(name())));
  }
  UniqueFd fd(::memfd_create("handoff-region", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return fail_errno(quoted(name()) + ": memfd_create");
  if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) < 0) return fail_errno(quoted(name()) + ": sealing");
  if (const auto ok = map(fd.get()); !ok) return ok;
  fd_ = std::move(fd);
  hold_ = Hold::kOwned;
  return {};
}

Result<void> Region::allocate(std::size_t size) {
  for (std::size_t at = size_; at < size;) {
    const std::size_t step = std::min(kStep, size - at);
    if (::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at),
                    static_cast<off_t>(step)) == 0) {
      at += step;
    } else if (errno != EINTR) {
      return fail_errno(quoted(name()) + ": memory for " + bytes(size));
    }
  }
  // The size changes last, so that no process sees a growth that fails.
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) < 0) {
    return fail_errno(quoted(name()) + ": growing to " + bytes(size));
  }
  return {};
}

Result<void> Region::grow(std::size_t size) {
  if (size > declared_.max_size) {
    return fail(-EFBIG, quoted(name()) + " can't grow to " + bytes(size) +
                            ": it was declared for " + bytes(declared_.max_size));
  }
  if (hold_ == Hold::kNothing) {  // lost with the donor, and there was no memory for a new one
    if (const auto ok = start_empty(); !ok) return ok;
  }
  if (!owned()) return fail(HANDOFF_ERR_ORDER, quoted(name()) + " is not this process's to grow");
  if (size <= size_) return {};
  if (const auto ok = allocate(size); !ok) {
    (void)::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
                      static_cast<off_t>(size_), static_cast<off_t>(size - size_));
    return ok;
  }
  size_ = size;
  return {};
}

Result<void> Region::set_version(std::uint32_t version) {
  if (!owned()) return fail(HANDOFF_ERR_ORDER, quoted(name()) + " is not this process's to change");
  const auto& reads = declared_.reads;
  if (version != declared_.version &&
      std::find(reads.begin(), reads.end(), version) == reads.end()) {
    return fail(-EINVAL,
                quoted(name()) + ": this release declared no layout " + std::to_string(version));
  }
  version_ = version;
  return {};
}

Result<protocol::Region> Region::announce(std::uint32_t kind) const {
  const auto identity = identity_of(fd_.get());
  if (!identity) return Failure(identity.error());
  return protocol::Region{
      .kind = kind, .inode = identity->inode, .device = identity->device, .size = size_};
}

// A pointer that the service kept must not lead into a later mapping. So a hole that nobody may
// touch takes the region's place.
void Region::let_go() {
  if (base_ == nullptr) return;
  void* const hole = ::mmap(base_, declared_.max_size, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (hole == MAP_FAILED) {
    ::munmap(base_, declared_.max_size);
    base_ = nullptr;
  }
  fd_.reset();
  size_ = 0;
  hold_ = Hold::kGone;
}

Result<void> Region::measure() {
  struct stat info {};
  if (::fstat(fd_.get(), &info) < 0) return fail_errno(quoted(name()) + ": fstat");
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size > declared_.max_size) {
    return fail(HANDOFF_ERR_REJECTED, quoted(name()) + " has " + bytes(size) +
                                          ", and this release takes at most " +
                                          bytes(declared_.max_size));
  }
  size_ = static_cast<std::size_t>(size);
  return {};
}

Result<void> Region::take(UniqueFd fd, const protocol::Region& announced, std::uint32_t version) {
  const auto malformed = [this](const char* what) {
    return fail(HANDOFF_ERR_PROTOCOL, quoted(name()) + what);
  };
  if (hold_ != Hold::kNothing) return malformed(" came twice");
  const auto identity = identity_of(fd.get());
  if (!identity) return Failure(identity.error());
  if (*identity != Identity{announced.inode, announced.device}) {
    return fail(HANDOFF_ERR_IDENTITY, quoted(name()) + " is not the memory announced: inode " +
                                          std::to_string(identity->inode) + " instead of " +
                                          std::to_string(announced.inode));
  }
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals || (seals & kUnusable) != 0) {
    return malformed(" is not memory that is sealed against shrinking and nothing else");
  }
  fd_ = std::move(fd);
  hold_ = Hold::kTaken;
  if (const auto ok = measure(); !ok) return ok;
  if (size_ < announced.size) return malformed(" is smaller than announced");
  if (const auto ok = map(fd_.get()); !ok) {
    if (ok.error().code == -ENOMEM) return ok;
    return malformed(" can't be written");
  }
  if (::mprotect(base_, declared_.max_size, PROT_READ) < 0) {
    return fail_errno(quoted(name()) + ": mprotect");
  }
  version_ = version;
  adopted_ = true;
  return {};
}

Result<void> Region::own() {
  if (hold_ != Hold::kTaken) return {};
  if (::mprotect(base_, declared_.max_size, PROT_READ | PROT_WRITE) < 0) {
    return fail_errno(quoted(name()) + ": mprotect");
  }
  hold_ = Hold::kOwned;
  return {};
}

}  // namespace handoff::io
