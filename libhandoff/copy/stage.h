// The heir's staging area: sessions, sections and regions as they arrive, before they are its own.
//
// Sessions whose service can be updated are restored at once, while the donor serves (the heir is
// armed early); the others wait here with their state until it is final. What costs time for each
// session is done as it arrives: once all of them are restored, to adopt them takes no longer the
// more there are. Nothing here touches a session's socket but to tell what it is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "libhandoff/copy/rehearsal.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/service/registry.h"
#include "libhandoff/sys/heap.h"
#include "libhandoff/sys/memory.h"

namespace handoff::io {

class Stage {
 public:
  // So many of those that are lost are named.
  static constexpr std::size_t kNamedLost = 100;

  // rehearsal: what is refused is noted there instead of ending it; nothing is bound.
  Stage(Registry& registry, Rehearsal* rehearsal) : registry_(registry), rehearsal_(rehearsal) {}
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // What the donor's kinds are called here and in which versions they travel; from negotiation.
  Result<void> set_kinds(const core::Manifest& donor, const std::vector<std::uint32_t>& versions);

  // The messages of the copy. An Error is the peer's fault (HANDOFF_ERR_PROTOCOL and the like) or
  // the service's refusal.
  Result<void> apply_named(std::string_view body, std::vector<UniqueFd>& fds);
  Result<void> apply_region(std::string_view body, std::vector<UniqueFd>& fds);
  Result<void> apply_ring(std::string_view body, std::vector<UniqueFd>& fds);
  Result<void> apply_sessions(std::string_view body, std::vector<UniqueFd>& fds);
  Result<void> apply_chunk(std::string_view body);
  bool named_complete() const { return named_seen_ && named_count_ == named_total_; }

  // Ends of links that the donor passes on, by name; to be taken once.
  std::map<std::string, UniqueFd> take_internal() { return std::move(internal_); }

  // Restores what is not yet, finishes the sections, adopts the regions, binds listeners that no
  // donor had.
  Result<void> restore_all();
  // After a donor's death in mid-copy: keeps independent sessions whose sockets have not moved
  // since their snapshot, resets the others, empties sections and regions. expected: sessions
  // that the donor had.
  void keep_unmoved(std::uint64_t expected);
  // The same for the sessions alone.
  void keep_unmoved_sessions(std::uint64_t expected);
  // The sessions are this process's own: into the registry; and the regions with them.
  void adopt_all();
  // The same for the sessions alone.
  void adopt_sessions();
  // The handoff failed.
  void drop_all();
  // A rehearsal: everything that came, counted.
  void count();

  // The same for a group that comes over a link.
  Result<void> restore_sessions();
  // Those that can be restored; the others are reset.
  void restore_what_can_be();
  void drop_sessions();
  std::vector<std::uint64_t> ids() const;

  std::uint64_t sessions() const { return arrived_.size(); }
  // How many are to be expected: a hint.
  void expect(std::uint64_t sessions);
  std::uint64_t chunks() const { return chunks_; }
  std::uint64_t lost() const { return lost_; }
  const std::vector<std::uint64_t>& lost_ids() const { return lost_ids_; }

 private:
  // A state that the service has not seen yet.
  struct Newest {
    std::uint32_t version = 0;
    std::uint32_t layer_flags = 0;
    std::string_view state, input, output;
  };
  // One that is kept until the state is final, and the fd with the first of a session.
  struct Waiting {
    UniqueFd fd;
    std::uint32_t version = 0;
    std::uint32_t layer_flags = 0;
    std::string state, input, output;
  };
  // What a rehearsal counts of a session.
  struct Weighed {
    std::uint32_t donors_kind = 0;
    std::uint64_t bytes = 0;
    bool refused = false;
  };
  struct DonorKind {
    std::uint32_t ours = 0;
    std::uint32_t version = 0;
    bool section = false;
    bool region = false;
    std::uint64_t chunks = 0;
    std::uint64_t bytes = 0;
  };

  Result<void> stage(const protocol::Session& record, bool unseen, std::vector<UniqueFd>& fds,
                     std::size_t& next_fd);
  Result<void> stage_one(const protocol::Session& record, bool unseen, std::vector<UniqueFd>& fds,
                         std::size_t& next_fd);
  // Bytes in a slot of the ring, which are as announced.
  Result<std::string_view> in_ring(const char* what, const protocol::InRing& place) const;
  // The bytes of a record; blob keeps them where they are not in the frame.
  Result<Newest> read_state(const protocol::Session& record, std::vector<UniqueFd>& fds,
                            std::size_t& next_fd, Mapping& blob) const;
  void keep(std::uint64_t id, UniqueFd fd, const Newest& newest);
  // fd: of one that the service has not had.
  Result<void> restore(std::uint64_t id, SessionEntry& entry, UniqueFd fd, const Newest& newest);
  Result<void> restore_waiting(std::uint64_t id, SessionEntry& entry);
  // The same; a rehearsal notes what is refused.
  Result<void> rehearse(std::uint64_t id, const SessionEntry& entry, Result<void> restored);
  Result<void> finish(SectionDecl& section);
  Sessions::iterator lose(Sessions::iterator it);
  void drop(std::uint64_t id, const SessionEntry& entry);
  bool unmoved(const SessionEntry& entry) const;
  Result<void> adopt_regions();
  void reset(const Region& region);

  Registry& registry_;
  Rehearsal* rehearsal_;
  std::vector<DonorKind> kinds_;
  Sessions arrived_;
  std::unordered_map<std::uint64_t, Waiting> waiting_;  // of arrived_
  std::unordered_map<std::uint64_t, Weighed> weighed_;  // of arrived_, in a rehearsal
  // restore() said no, perhaps after it had taken the fd.
  std::unordered_set<std::uint64_t> failed_;
  Heap heap_;
  Mapping ring_;
  std::uint32_t ring_slots_ = 0;
  std::uint32_t ring_slot_size_ = 0;
  std::map<std::string, UniqueFd> internal_;
  bool named_seen_ = false;
  std::uint64_t named_total_ = 0;
  std::uint64_t named_count_ = 0;
  std::uint64_t chunks_ = 0;
  std::vector<bool> section_stays_;  // of ours: with the donor
  std::uint64_t lost_ = 0;
  std::vector<std::uint64_t> lost_ids_;
};

}  // namespace handoff::io
