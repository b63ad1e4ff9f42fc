// A region: named memory of the service that changes hands as it lies, whatever its size.
//
// It is a memfd, sealed against shrinking (a peer can't take away what is mapped: that would be a
// SIGBUS) and against further seals, and mapped once in its greatest size: to grow is to lengthen
// the file, and nothing that is mapped ever moves. The donor passes the memfd while it serves. The
// heir maps it and may not write there; once the donor is frozen its service may look and say no,
// and when it owns the sessions it may write. The donor then has a hole in its place, so that a
// pointer that was kept is a crash of the process that kept it and no change behind the owner's
// back.
//
// A mapping that nobody has touched has no pages: none of this depends on the size but the donor's
// letting go, which nobody waits for.
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

// As the service declares it.
struct RegionDecl {
  std::string name;
  std::vector<std::uint32_t> reads;  // layouts that this release can take
  std::uint32_t version = 1;         // the layout that it creates
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
  // For the manifest: it can be given in the layout that it has and in no other.
  core::Kind kind() const;

  // What the service sees: nullptr and 0 while it is not (or no longer) this process's to see.
  std::byte* data() const { return owned() ? base_ : nullptr; }
  std::size_t size() const { return owned() ? size_ : 0; }
  std::uint32_t version() const { return version_; }
  bool adopted() const { return adopted_; }
  bool owned() const { return hold_ == Hold::kOwned; }

  // New memory of this process's own, of no bytes yet, in place of what was there.
  Result<void> start_empty();
  // New bytes are zero, and there: a full memory is an error here and not a SIGBUS later. Smaller
  // than it is changes nothing.
  Result<void> grow(std::size_t size);
  // The service has brought the memory into another layout.
  Result<void> set_version(std::uint32_t version);

  // Donor: what the heir is told of it, with fd().
  Result<protocol::Region> announce(std::uint32_t kind) const;
  int fd() const { return fd_.get(); }
  // It is the heir's now.
  void let_go();

  // Heir, while the donor serves: maps it, not writable and not yet to be seen.
  Result<void> take(UniqueFd fd, const protocol::Region& announced, std::uint32_t version);
  bool taken() const { return hold_ == Hold::kTaken; }
  // The donor is frozen: takes the size that it has now.
  Result<void> measure();
  std::span<const std::byte> view() const { return {base_, size_}; }
  // The sessions are this process's own, and this with them.
  Result<void> own();
  // The handoff failed.
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
