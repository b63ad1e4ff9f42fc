// A region: named shared memory of the service that changes hands without a copy, whatever its
// size.
//
// A region is a memfd. It is sealed against shrinking, since a peer that took away mapped memory
// would cause a SIGBUS, and against further seals. It is mapped once, in its greatest size: growing
// lengthens the file, and no address ever changes.
//
// The donor passes the memfd while it serves, and the heir maps it read-only. Once the donor is
// frozen, the heir's service may look and reject it. When the heir owns the sessions it may write,
// and a hole takes the region's place in the donor. So a pointer that the donor kept crashes the
// donor, and can't change memory behind the owner's back.
//
// A mapping has no pages until they are touched, so a switch costs the same whatever the size. Only
// the donor's letting go depends on it, and nobody waits for that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "handoff/handoff.h"
#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/core/manifest.h"
#include "libhandoff/protocol/messages.h"

namespace handoff::io {

// A region as the service declares it.
struct RegionDecl {
  std::string name;
  std::vector<std::uint32_t> reads;  // layouts that this release can take
  std::uint32_t version = 1;         // the layout in which it fills a new region
  std::size_t max_size = 0;
  handoff_region_ops ops{};
  void* user = nullptr;
};

class Region {
 public:
  explicit Region(RegionDecl declared)
      : declared_(std::move(declared)), version_(declared_.version) {}
  Region(Region&& other) noexcept;
  Region& operator=(Region&&) = delete;
  ~Region();

  const RegionDecl& declared() const { return declared_; }
  const std::string& name() const { return declared_.name; }
  // For the manifest. Nothing is converted, so the one layout that it writes is the one that it
  // has.
  core::Kind kind() const;

  // What the service sees: nullptr and 0 unless this process owns the region.
  std::byte* data() const { return owned() ? base_ : nullptr; }
  std::size_t size() const { return owned() ? size_ : 0; }
  std::uint32_t version() const { return version_; }
  bool adopted() const { return adopted_; }
  bool owned() const { return hold_ == Hold::kOwned; }

  // Replaces what was there by new memory of this process's own, zero bytes long.
  Result<void> start_empty();
  // Makes the region at least size bytes long. New bytes are zero and allocated at once: a full
  // memory is an error here and no SIGBUS later.
  Result<void> grow(std::size_t size);
  // The service has brought the memory into another layout.
  Result<void> set_version(std::uint32_t version);

  // Donor: the message that tells the heir about the region; fd() goes with it.
  Result<protocol::Region> announce(std::uint32_t kind) const;
  int fd() const { return fd_.get(); }
  // The region is the heir's now: puts a hole in its place.
  void let_go();

  // Heir, while the donor serves: checks and maps the region, read-only and not yet to be seen.
  Result<void> take(UniqueFd fd, const protocol::Region& announced, std::uint32_t version);
  bool taken() const { return hold_ == Hold::kTaken; }
  // Heir, once the donor is frozen: takes the size that the region has now.
  Result<void> measure();
  std::span<const std::byte> view() const { return {base_, size_}; }
  // Heir, once it owns the sessions: makes the region writable.
  Result<void> own();
  // Unmaps and closes it: the handoff failed.
  void drop();

 private:
  enum class Hold : std::uint8_t { kNothing, kTaken, kOwned, kGone };

  Result<void> map(int fd);
  Result<void> allocate(std::size_t size);

  RegionDecl declared_;
  std::uint32_t version_;
  UniqueFd fd_;
  std::byte* base_ = nullptr;  // of declared_.max_size bytes
  std::size_t size_ = 0;
  Hold hold_ = Hold::kNothing;
  bool adopted_ = false;
};

}  // namespace handoff::io
