// What one side of a rehearsal tells the supervisor, on the control socket. handoff.proto says what
// each field is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/core/unmovable.h"
#include "libhandoff/protocol/description.h"
#include "libhandoff/protocol/manifest_messages.h"

namespace handoff::protocol {

struct Finding {
  std::uint64_t session = 0;
  std::string what;
  std::string reason;
  std::string peer = {};
};
void describe(auto& on, Is<Finding> auto& m) {
  on.message("Finding")
      .field(1, m.session)
      .words(2, m.what, "what was found")
      .words(3, m.reason, "the reason")
      .text_if_set(14, m.peer, kMaxPeer, "a peer's address");
}

struct Amount {
  std::string name;
  bool section = false;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  bool region = false;
};
void describe(auto& on, Is<Amount> auto& m) {
  on.message("Amount")
      .text(1, m.name, kMaxName, "a kind's name")
      .field(2, m.section)
      .field(3, m.count)
      .field(4, m.bytes)
      .if_set(5, m.region);
}

struct Rehearsed {
  std::uint64_t handoff_id = 0;
  bool complete = false;
  std::optional<Manifest> from = {};
  std::optional<Manifest> to = {};
  std::uint64_t sessions = 0;
  std::uint64_t passed = 0;
  std::uint64_t refused = 0;
  std::uint64_t busy = 0;
  std::vector<Finding> findings = {};
  std::vector<Amount> amounts = {};
  std::uint64_t spent_ns = 0;
  std::uint64_t finish_ns = 0;
  std::uint64_t unsettled = 0;
  bool early = false;
  std::uint64_t rss = 0;
  std::uint64_t pss = 0;
  std::uint64_t round_trip_ns = 0;
  std::uint64_t sections_ns = 0;
  bool sections_unsettled = false;
  std::vector<LeftOut> left_out = {};
  core::Unmovable unmovable = core::Unmovable::kRefuse;
  std::string not_late = {};
  std::uint64_t too_large = 0;
  std::uint64_t typical_ns = 0;
  std::vector<Staying> staying = {};
  std::uint64_t untried = 0;
};
void describe(auto& on, Is<Rehearsed> auto& m) {
  on.message("Rehearsed")
      .field(1, m.handoff_id)
      .field(2, m.complete)
      .part(3, m.from)
      .part(4, m.to)
      .field(5, m.sessions)
      .field(6, m.passed)
      .field(7, m.refused)
      .field(8, m.busy)
      .each(9, m.findings, kMaxFindings, "too many findings")
      .each(10, m.amounts, kMaxKinds, "too many amounts")
      .field(11, m.spent_ns)
      .field(12, m.finish_ns)
      .field(13, m.unsettled)
      .field(14, m.early)
      .field(15, m.rss)
      .field(16, m.pss)
      .field(17, m.round_trip_ns)
      .if_set(18, m.sections_ns)
      .if_set(19, m.sections_unsettled)
      .each(20, m.left_out, kMaxLeftOut, "too many left out")
      .choice_if_set(30, m.unmovable, core::Unmovable::kClose, core::Unmovable::kRefuse)
      .text_if_set(31, m.not_late, kMaxReason, "why none can stay")
      .if_set(32, m.too_large)
      .if_set(40, m.typical_ns)
      .each(41, m.staying, core::kMaxStaying, "too many reasons to stay")
      .if_set(42, m.untried);
}

}  // namespace handoff::protocol
