// The messages over a link between two owners. handoff.proto says what each field is.
#pragma once

#include <cstdint>
#include <string_view>

#include "libhandoff/core/types.h"
#include "libhandoff/protocol/description.h"
#include "libhandoff/protocol/manifest_messages.h"

namespace handoff::protocol {

struct LinkHello {
  std::uint32_t protocol_min = 0;
  std::uint32_t protocol_max = 0;
  std::uint64_t generation = 0;
  bool answer = false;
  Manifest manifest;
  bool layers = false;
  bool session_fds = false;
  std::uint32_t lanes = 0;  // 0: it knows no Lanes over a link, or this is a way of one
};
void describe(auto& on, Is<LinkHello> auto& m) {
  on.message("LinkHello")
      .field(1, m.protocol_min)
      .field(2, m.protocol_max)
      .field(3, m.generation)
      .field(4, m.answer)
      .part(5, m.manifest)
      .if_set(41, m.layers)
      .if_set(50, m.session_fds)
      .if_set(52, m.lanes);
}

struct GroupSessions {
  std::uint64_t group = 0;
  std::string_view sessions;  // the body of a Sessions
};
void describe(auto& on, Is<GroupSessions> auto& m) {
  on.message("GroupSessions").field(1, m.group).field(2, m.sessions);
}

struct GroupPrepare {
  std::uint64_t group = 0;
  std::uint64_t sessions = 0;
  std::uint64_t checksum = 0;
  std::uint64_t frozen_at_ns = 0;
};
void describe(auto& on, Is<GroupPrepare> auto& m) {
  on.message("GroupPrepare")
      .field(1, m.group)
      .field(2, m.sessions)
      .field(3, m.checksum)
      .field(4, m.frozen_at_ns);
}

struct GroupRelease {
  std::uint64_t group = 0;
};
void describe(auto& on, Is<GroupRelease> auto& m) { on.message("GroupRelease").field(1, m.group); }

struct GroupPrepared {
  std::uint64_t group = 0;
  std::uint64_t sessions = 0;
};
void describe(auto& on, Is<GroupPrepared> auto& m) {
  on.message("GroupPrepared").field(1, m.group).field(2, m.sessions);
}

struct GroupResumed {
  std::uint64_t group = 0;
};
void describe(auto& on, Is<GroupResumed> auto& m) { on.message("GroupResumed").field(1, m.group); }

struct GroupAbort {
  std::uint64_t group = 0;
  bool by_giver = false;
  core::Reason reason;
};
void describe(auto& on, Is<GroupAbort> auto& m) {
  on.message("GroupAbort")
      .field(1, m.group)
      .field(2, m.by_giver)
      .choice(3, m.reason.code, core::Code::kInternal, core::Code::kUnspecified)
      .words(4, m.reason.text, "the reason");
}

}  // namespace handoff::protocol
