// The messages from a service to the supervisor, on the control socket. handoff.proto says what
// each field is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/core/types.h"
#include "libhandoff/core/unmovable.h"
#include "libhandoff/protocol/description.h"
#include "libhandoff/protocol/manifest_messages.h"
#include "libhandoff/protocol/session_messages.h"

namespace handoff::protocol {

// A listener that the release knows and does not want.
struct GivenBack {
  std::string name = {};
  bool drop = false;  // nor is the supervisor to keep it
};
void describe(auto& on, Is<GivenBack> auto& m) {
  on.message("GivenBack").text(1, m.name, kMaxName, "a name").if_set(2, m.drop);
}

// Of a service that asks for a vault and was given one.
struct Vault {
  std::uint64_t keeper_pid = 0;  // 0: there is none
  std::string refused = {};      // why not
};
void describe(auto& on, Is<Vault> auto& m) {
  on.message("Vault").field(1, m.keeper_pid).words(2, m.refused, "why there is no vault");
}

struct Register {
  std::uint32_t protocol_min = 0;
  std::uint32_t protocol_max = 0;
  std::uint64_t generation = 0;
  Manifest manifest;
  bool returning = false;
  std::uint32_t state = 0;
  std::uint64_t handoff_id = 0;
  bool rehearsal = false;
  std::vector<GivenBack> given_back = {};
  std::optional<Vault> vault = {};
};
void describe(auto& on, Is<Register> auto& m) {
  on.message("Register")
      .field(1, m.protocol_min)
      .field(2, m.protocol_max)
      .field(3, m.generation)
      .part(4, m.manifest)
      .if_set(5, m.returning)
      .when(m.returning, 6, m.state)
      .when(m.returning, 7, m.handoff_id)
      .if_set(8, m.rehearsal)
      .each(9, m.given_back, kMaxNamed, "too many listeners given back")
      .part(60, m.vault);
}

struct Blackout {
  std::uint64_t p50_us = 0;
  std::uint64_t p99_us = 0;
  std::uint64_t p999_us = 0;
  std::uint64_t max_us = 0;
};
void describe(auto& on, Is<Blackout> auto& m) {
  on.message("Blackout")
      .field(1, m.p50_us)
      .field(2, m.p99_us)
      .field(3, m.p999_us)
      .field(4, m.max_us);
}

struct Owner {
  std::uint64_t generation = 0;
  std::uint64_t handoff_id = 0;
  std::vector<Named> named;
  std::uint64_t sessions = 0;
  std::uint64_t lost = 0;
  std::vector<std::uint64_t> lost_ids;
  std::uint64_t frozen_at_ns = 0;
  std::uint64_t running_at_ns = 0;
  Blackout blackout;
  bool donor_died = false;
  bool with_fds = false;
  std::uint64_t owned_at_ns = 0;  // of an heir: handoff_wait() returned
  bool more = false;
  std::uint64_t kept = 0;  // of an heir: by its donor
  std::vector<std::uint64_t> kept_ids = {};
};
void describe(auto& on, Is<Owner> auto& m) {
  on.message("Owner")
      .field(1, m.generation)
      .field(2, m.handoff_id)
      .each(3, m.named, kMaxNamed, "too many named fds")
      .field(4, m.sessions)
      .field(5, m.lost)
      .list(6, m.lost_ids, kMaxLostIds, "too many lost sessions")
      .field(7, m.frozen_at_ns)
      .field(8, m.running_at_ns)
      .part(9, m.blackout)
      .field(10, m.donor_died)
      .if_set(11, m.with_fds)
      .if_set(12, m.owned_at_ns)
      .if_set(13, m.more)
      .if_set(70, m.kept)
      .list(71, m.kept_ids, kMaxLostIds, "too many kept sessions");
}

enum class Phase : std::uint8_t { kNone = 0, kCopy = 1, kSwitch = 2, kRetire = 3 };
struct Progress {
  std::uint64_t handoff_id = 0;
  Phase phase = Phase::kNone;
  std::uint64_t at_ns = 0;
  std::uint64_t sessions_sent = 0;
  std::uint64_t sessions_total = 0;
  std::uint64_t bytes = 0;
  std::uint32_t round = 0;
};
void describe(auto& on, Is<Progress> auto& m) {
  on.message("Progress")
      .field(1, m.handoff_id)
      .choice(2, m.phase, Phase::kRetire, Phase::kNone)
      .field(3, m.at_ns)
      .field(4, m.sessions_sent)
      .field(5, m.sessions_total)
      .field(6, m.bytes)
      .field(7, m.round);
}

// A newer service may have codes that this build does not know. They are kept as they are, so that
// the operator is told their number.
inline constexpr core::Code kAnyCode{UINT8_MAX};
struct Failed {
  std::uint64_t handoff_id = 0;
  core::Reason reason;
  std::uint64_t at_ns = 0;
};
void describe(auto& on, Is<Failed> auto& m) {
  on.message("Failed")
      .field(1, m.handoff_id)
      .choice(2, m.reason.code, kAnyCode, core::Code::kUnspecified)
      .words(3, m.reason.text, "the reason")
      .field(4, m.at_ns)
      .if_set(5, m.reason.of_peer);
}

// A session that was not moved, and why not.
struct Unmoved {
  std::uint64_t session = 0;
  std::string peer = {};
  core::FaultOf fault = core::FaultOf::kOld;
  std::string reason = {};
};
void describe(auto& on, Is<Unmoved> auto& m) {
  on.message("Unmoved")
      .field(1, m.session)
      .text(2, m.peer, kMaxPeer, "a peer's address")
      .choice(3, m.fault, core::FaultOf::kNew, core::FaultOf::kOld)
      .words(4, m.reason, "the reason");
}

struct Retired {
  std::uint64_t handoff_id = 0;
  std::uint64_t at_ns = 0;
  std::uint64_t sessions = 0;
  std::uint64_t bytes = 0;
  std::uint64_t frozen_at_ns = 0;
  std::uint64_t lost = 0;
  bool heir_died = false;
  std::uint64_t first_fd_at_ns = 0;
  std::vector<std::uint64_t> lost_ids;
  std::vector<LeftOut> left_out = {};
  std::vector<Unmoved> unmoved = {};
  std::uint64_t closed = 0;
};
void describe(auto& on, Is<Retired> auto& m) {
  on.message("Retired")
      .field(1, m.handoff_id)
      .field(2, m.at_ns)
      .field(3, m.sessions)
      .field(4, m.bytes)
      .field(5, m.frozen_at_ns)
      .field(6, m.lost)
      .field(7, m.heir_died)
      .if_set(8, m.first_fd_at_ns)
      .list(9, m.lost_ids, kMaxLostIds, "too many lost sessions")
      .each(10, m.left_out, kMaxLeftOut, "too many left out")
      .each(20, m.unmoved, kMaxUnmovable, "too many sessions that were not moved")
      .if_set(21, m.closed);
}

// The service ends on purpose and is not to be started again.
struct Leaving {
  std::string why;
};
void describe(auto& on, Is<Leaving> auto& m) {
  on.message("Leaving").words(1, m.why, "why it leaves");
}

struct Status {
  std::uint64_t query_id = 0;
  std::uint64_t sessions = 0;
  std::uint32_t state = 0;
  std::uint64_t errors = 0;
  std::vector<SessionProcess> processes = {};
  bool more = false;
  std::optional<Leaving> leaving = {};
};
void describe(auto& on, Is<Status> auto& m) {
  on.message("Status")
      .field(1, m.query_id)
      .field(2, m.sessions)
      .field(3, m.state)
      .if_set(4, m.errors)
      .each(5, m.processes, kMaxProcesses, "too many processes")
      .if_set(6, m.more)
      .part(41, m.leaving);
}

struct Health {
  bool healthy = false;
  std::string reason;
};
void describe(auto& on, Is<Health> auto& m) {
  on.message("Health").field(1, m.healthy).words(2, m.reason, "the reason");
}

struct Late {
  std::uint64_t handoff_id = 0;
  std::uint64_t waiting = 0;
  std::uint64_t moved = 0;
  std::uint64_t at_ns = 0;
  bool linked = false;
  std::uint64_t closed = 0;
  std::vector<LeftOut> left_out = {};
  std::vector<Unmoved> unmoved = {};
  std::uint64_t unmovable = 0;
  std::vector<Staying> staying = {};
};
void describe(auto& on, Is<Late> auto& m) {
  on.message("Late")
      .field(1, m.handoff_id)
      .field(2, m.waiting)
      .field(3, m.moved)
      .field(4, m.at_ns)
      .field(5, m.linked)
      .field(6, m.closed)
      .each(7, m.left_out, kMaxLeftOut, "too many left out")
      .each(17, m.unmoved, kMaxUnmovable, "too many sessions that were not moved")
      .if_set(18, m.unmovable)
      .each(41, m.staying, core::kMaxStaying, "too many reasons to stay");
}

}  // namespace handoff::protocol
