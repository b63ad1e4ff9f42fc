// The heir's staging area for what a service has once, whatever its number of sessions: named fds,
// sections and regions, as they arrive by the main channel, before they are its own.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libhandoff/copy/donor_kinds.h"
#include "libhandoff/copy/rehearsal.h"
#include "libhandoff/copy/ring_receiver.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

class ServiceReceiver {
 public:
  // rehearsal: what is refused is noted there instead of ending it; nothing is bound.
  ServiceReceiver(Registry& registry, Rehearsal* rehearsal)
      : registry_(registry), rehearsal_(rehearsal) {}
  ServiceReceiver(const ServiceReceiver&) = delete;
  ServiceReceiver& operator=(const ServiceReceiver&) = delete;

  void set_kinds(const core::Manifest& donor, std::vector<DonorKind> kinds);

  // The messages Listeners, Region and SectionChunk. An Error is the peer's fault
  // (HANDOFF_ERR_PROTOCOL and the like) or the service's refusal.
  Result<void> apply_named(std::string_view body, std::vector<UniqueFd>& fds);
  Result<void> apply_region(std::string_view body, std::vector<UniqueFd>& fds);
  Result<void> apply_chunk(std::string_view body, RingReceiver& ring);
  bool named_complete() const { return named_seen_ && named_count_ == named_total_; }
  std::uint64_t chunks() const { return chunks_; }

  // Ends of links that the donor passes on, by name; to be taken once.
  std::map<std::string, UniqueFd> take_internal() { return std::move(internal_); }

  // Finishes the sections, adopts the regions, lets the service link all that is here, binds
  // listeners that no donor had. After the sessions of all lanes.
  Result<void> restore();
  // After a donor's death in mid-copy: sections and regions may be torn, and start empty.
  void start_empty();
  // Lets the service link what it has kept, and binds listeners that no donor had.
  void bind();
  // The regions are this process's own.
  void adopt();
  // The handoff failed.
  void drop();
  // A rehearsal: adds what came to the amounts, which the sessions' receiver has begun.
  void count();

 private:
  struct Amount {
    std::uint64_t chunks = 0;
    std::uint64_t bytes = 0;
  };

  Result<void> finish(SectionDecl& section);
  Result<void> adopt_regions();
  Result<void> link();
  void reset(const Region& region);

  Registry& registry_;
  Rehearsal* rehearsal_;
  std::vector<DonorKind> kinds_;
  std::vector<Amount> amounts_;  // of kinds_, in a rehearsal
  std::map<std::string, UniqueFd> internal_;
  bool named_seen_ = false;
  std::uint64_t named_total_ = 0;
  std::uint64_t named_count_ = 0;
  std::uint64_t chunks_ = 0;
  std::vector<bool> section_stays_;  // of ours: with the donor
};

}  // namespace handoff::io
