// The messages between donor and heir on their channel. Sessions is in session_messages.h;
// handoff.proto says what each field is.
#pragma once

#include <cstdint>
#include <vector>

#include "libhandoff/core/types.h"
#include "libhandoff/core/unmovable.h"
#include "libhandoff/protocol/description.h"
#include "libhandoff/protocol/manifest_messages.h"

namespace handoff::protocol {

// ---- both ways

struct Hello {
  std::uint32_t protocol_min = 0;
  std::uint32_t protocol_max = 0;
  std::uint64_t handoff_id = 0;
  std::uint32_t lane = 0;
  std::uint32_t lanes = 1;
  Manifest manifest;
  std::uint64_t sessions = 0;
  std::uint64_t fds_max = 0;
  bool links = false;
  bool drain_incompatible = false;
  bool ring_sessions = false;
  bool looks = false;
  std::uint64_t room_ns = 0;
  bool tails = false;
  core::Unmovable unmovable = core::Unmovable::kRefuse;
  std::uint64_t heard_at_ns = 0;
  bool layers = false;
  bool session_fds = false;
};
void describe(auto& on, Is<Hello> auto& m) {
  on.message("Hello")
      .field(1, m.protocol_min)
      .field(2, m.protocol_max)
      .field(3, m.handoff_id)
      .field(4, m.lane)
      .field(5, m.lanes)
      .part(6, m.manifest)
      .field(7, m.sessions)
      .field(8, m.fds_max)
      .if_set(9, m.links)
      .if_set(10, m.drain_incompatible)
      .if_set(11, m.ring_sessions)
      .if_set(12, m.looks)
      .if_set(13, m.room_ns)
      .if_set(24, m.tails)
      .choice_if_set(25, m.unmovable, core::Unmovable::kClose, core::Unmovable::kRefuse)
      .if_set(40, m.heard_at_ns)
      .if_set(41, m.layers)
      .if_set(50, m.session_fds);
}

struct Abort {
  core::Reason reason;
};
void describe(auto& on, Is<Abort> auto& m) {
  on.message("Abort")
      .choice(1, m.reason.code, core::Code::kInternal, core::Code::kUnspecified)
      .words(2, m.reason.text, "the reason");
}

// ---- donor to heir

struct Listeners {
  std::vector<Named> named;
  std::uint64_t total = 0;
};
void describe(auto& on, Is<Listeners> auto& m) {
  on.message("Listeners")
      .each(1, m.named, kMaxFds, "more named fds than a frame carries")
      .field(2, m.total);
}

struct Ring {
  std::uint32_t slots = 0;
  std::uint32_t slot_size = 0;
};
void describe(auto& on, Is<Ring> auto& m) {
  on.message("Ring").field(1, m.slots).field(2, m.slot_size);
}

struct SectionChunk {
  std::uint32_t kind = 0;
  std::uint32_t slot = 0;
  std::uint32_t length = 0;
  std::uint64_t checksum = 0;
};
void describe(auto& on, Is<SectionChunk> auto& m) {
  on.message("SectionChunk")
      .field(1, m.kind)
      .field(2, m.slot)
      .field(3, m.length)
      .field(4, m.checksum);
}

struct Region {
  std::uint32_t kind = 0;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  std::uint64_t size = 0;
};
void describe(auto& on, Is<Region> auto& m) {
  on.message("Region").field(1, m.kind).field(2, m.inode).field(3, m.device).field(4, m.size);
}

struct CopyEnd {
  std::uint32_t round = 0;
  std::uint64_t sessions = 0;
};
void describe(auto& on, Is<CopyEnd> auto& m) {
  on.message("CopyEnd").field(1, m.round).field(2, m.sessions);
}

struct Prepare {
  std::uint64_t sessions = 0;
  std::uint64_t chunks = 0;
  std::uint64_t checksum = 0;
  std::uint64_t frozen_at_ns = 0;
  std::uint64_t budget_us = 0;
  std::uint64_t late = 0;
  std::vector<std::uint64_t> late_ids;  // the first of them
  std::uint64_t closing = 0;            // sessions that the donor resets once it has retired
  std::vector<std::uint64_t> closing_ids = {};
};
void describe(auto& on, Is<Prepare> auto& m) {
  on.message("Prepare")
      .field(1, m.sessions)
      .field(2, m.chunks)
      .field(3, m.checksum)
      .field(4, m.frozen_at_ns)
      .field(5, m.budget_us)
      .if_set(6, m.late)
      .list(7, m.late_ids, kMaxLostIds, "too many late sessions")
      .if_set(70, m.closing)
      .list(71, m.closing_ids, kMaxLostIds, "too many closing sessions");
}

struct Lanes {
  std::uint32_t donor = 0;
  std::uint32_t heir = 0;
};
void describe(auto& on, Is<Lanes> auto& m) {
  on.message("Lanes").field(1, m.donor).field(2, m.heir);
}

struct LanePrepare {
  std::uint64_t sessions = 0;
  std::uint64_t checksum = 0;
};
void describe(auto& on, Is<LanePrepare> auto& m) {
  on.message("LanePrepare").field(1, m.sessions).field(2, m.checksum);
}

// ---- heir to donor

struct Ack {
  std::uint64_t frames = 0;
};
void describe(auto& on, Is<Ack> auto& m) { on.message("Ack").field(1, m.frames); }

// A session that the heir's code does not take.
struct Refusal {
  std::uint64_t id = 0;
  std::string reason;  // "" beyond the first
};
void describe(auto& on, Is<Refusal> auto& m) {
  on.message("Refusal").field(1, m.id).words(2, m.reason, "the reason");
}

struct Copied {
  std::uint32_t round = 0;
  std::uint64_t sessions = 0;
  std::vector<Refusal> refused = {};
};
void describe(auto& on, Is<Copied> auto& m) {
  on.message("Copied")
      .field(1, m.round)
      .field(2, m.sessions)
      .each(13, m.refused, kMaxRefused, "too many refused sessions");
}

struct Prepared {
  std::uint64_t sessions = 0;
  std::vector<Refusal> refused = {};
};
void describe(auto& on, Is<Prepared> auto& m) {
  on.message("Prepared")
      .field(1, m.sessions)
      .each(12, m.refused, kMaxRefused, "too many refused sessions");
}

}  // namespace handoff::protocol
