// The messages from the supervisor to a service, on the control socket. handoff.proto says what
// each field is. Zeros are left out, as libprotobuf does: it wrote these messages in earlier
// releases.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/core/unmovable.h"
#include "libhandoff/protocol/description.h"
#include "libhandoff/protocol/manifest_messages.h"

namespace handoff::protocol {

struct Handoff {
  std::uint64_t id = 0;
  std::uint32_t channel_index = 0;
  std::uint32_t peer_index = 0;
  std::uint32_t peer_pid = 0;
  std::uint64_t stall_us = 0;
  std::uint64_t budget_us = 0;
  bool rehearsal = false;
  bool drain_incompatible = false;
  std::uint32_t spread = 0;
  bool donor_kept = false;
};
void describe(auto& on, Is<Handoff> auto& m) {
  on.message("Handoff", Zeros::kLeftOut)
      .field(1, m.id)
      .field(2, m.channel_index)
      .field(3, m.peer_index)
      .field(4, m.peer_pid)
      .field(5, m.stall_us)
      .field(6, m.budget_us)
      .field(7, m.rehearsal)
      .field(8, m.drain_incompatible)
      .field(9, m.spread)
      .field(61, m.donor_kept);
}

struct Start {
  std::uint32_t protocol_min = 0;
  std::uint32_t protocol_max = 0;
  std::string service;
  std::uint64_t generation = 0;
  bool heir = false;
  std::vector<Named> listeners;
  std::optional<Handoff> handoff;
  std::string report_path;
  std::uint32_t mailbox = 0;
  std::vector<Named> kept = {};
  std::vector<Named> moved = {};
  std::vector<Named> before = {};
  std::vector<Named> offered = {};
  bool more = false;
  bool vault = false;
};
void describe(auto& on, Is<Start> auto& m) {
  on.message("Start", Zeros::kLeftOut)
      .field(1, m.protocol_min)
      .field(2, m.protocol_max)
      .text(3, m.service, kMaxName, "the service's name")
      .field(4, m.generation)
      .field(5, m.heir)
      .each(6, m.listeners, kMaxFds, "too many listeners")
      .part(7, m.handoff)
      .text(8, m.report_path, kMaxPath, "the report path")
      .field(9, m.mailbox)
      .each(10, m.kept, kMaxFds, "too many listeners")
      .each(11, m.moved, kMaxFds, "too many listeners")
      .each(12, m.before, kMaxFds, "too many listeners")
      .each(13, m.offered, kMaxNamed, "too many listeners")
      .field(14, m.more)
      .field(60, m.vault);
}

using core::MayLeaveOut;
void describe(auto& on, Is<MayLeaveOut> auto& m) {
  on.message("MayLeaveOut", Zeros::kLeftOut)
      .field(1, m.listeners)
      .field(2, m.sections)
      .field(3, m.sessions);
}

struct Donate {
  Handoff handoff;
  std::uint64_t heir_generation = 0;
  std::optional<Manifest> claims = {};
  std::optional<MayLeaveOut> may = {};
  core::Unmovable unmovable = core::Unmovable::kRefuse;
};
void describe(auto& on, Is<Donate> auto& m) {
  // What a newer supervisor may want and this build does not know: the handoff fails, as before.
  on.message("Donate", Zeros::kLeftOut)
      .part(1, m.handoff)
      .field(2, m.heir_generation)
      .part(3, m.claims)
      .part(4, m.may)
      .choice(13, m.unmovable, core::Unmovable::kClose, core::Unmovable::kRefuse);
}

struct Stop {
  std::uint64_t deadline_us = 0;
};
void describe(auto& on, Is<Stop> auto& m) {
  on.message("Stop", Zeros::kLeftOut).field(1, m.deadline_us);
}

struct Query {
  std::uint64_t id = 0;
  bool processes = false;
};
void describe(auto& on, Is<Query> auto& m) {
  on.message("Query", Zeros::kLeftOut).field(1, m.id).field(2, m.processes);
}

struct Cancel {
  std::uint64_t handoff_id = 0;
  std::string reason;
};
void describe(auto& on, Is<Cancel> auto& m) {
  on.message("Cancel", Zeros::kLeftOut).field(1, m.handoff_id).words(2, m.reason, "the reason");
}

enum class LatePolicy : std::uint8_t { kMove = 0, kClose = 1, kKeep = 2 };
struct Drain {
  std::uint64_t deadline_us = 0;
  LatePolicy policy = LatePolicy::kMove;
};
void describe(auto& on, Is<Drain> auto& m) {
  // A newer supervisor may have policies that this build does not know: they count as the mildest.
  on.message("Drain", Zeros::kLeftOut)
      .field(1, m.deadline_us)
      .choice(2, m.policy, LatePolicy::kKeep, LatePolicy::kKeep);
}

struct Relink {
  std::uint64_t other = 0;
  std::uint64_t budget_us = 0;
};
void describe(auto& on, Is<Relink> auto& m) {
  on.message("Relink", Zeros::kLeftOut).field(1, m.other).field(2, m.budget_us);
}

struct Spread {
  std::uint32_t permille = 0;
};
void describe(auto& on, Is<Spread> auto& m) {
  on.message("Spread", Zeros::kLeftOut).field(1, m.permille);
}

}  // namespace handoff::protocol
