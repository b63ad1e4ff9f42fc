// A manifest and its parts, which are the core's structures, as other messages carry them.
#pragma once

#include "libhandoff/core/leaving.h"
#include "libhandoff/core/manifest.h"
#include "libhandoff/core/staying.h"
#include "libhandoff/protocol/description.h"

namespace handoff::protocol {

using core::Kind;
using core::LeftOut;
using core::Manifest;
using core::Named;
using core::Staying;

void describe(auto& on, Is<Kind> auto& m) {
  on.message("Kind")
      .text(1, m.name, kMaxName, "a kind's name")
      .field(2, m.section)
      .field(3, m.version)
      .list(4, m.reads, kMaxKinds, "too many versions")
      .list(5, m.writes, kMaxKinds, "too many versions")
      .if_set(6, m.region)
      .text_if_set(7, m.listener, kMaxName, "a listener's name");
}

void describe(auto& on, Is<Named> auto& m) {
  on.message("Named")
      .text(1, m.name, kMaxName, "a name")
      .text(2, m.address, kMaxReason, "an address")
      .field(3, m.inode)
      .field(4, m.device)
      .field(5, m.fd_index);
}

void describe(auto& on, Is<LeftOut> auto& m) {
  on.message("LeftOut")
      .choice(1, m.sort, core::Sort::kSessions, core::Sort::kFd)
      .text(2, m.name, kMaxName, "a name")
      .if_set(3, m.sessions);
}

void describe(auto& on, Is<Staying> auto& m) {
  on.message("Staying").words(1, m.why, "why sessions stay").field(2, m.sessions);
}

void describe(auto& on, Is<Manifest> auto& m) {
  on.message("Manifest")
      .text(1, m.service, kMaxName, "a service's name")
      .text(2, m.release, kMaxName, "a release's version")
      .each(3, m.kinds, kMaxKinds, "too many kinds")
      .each(4, m.named, kMaxNamed, "too many named fds")
      .if_set(5, m.knows_listeners);
}

}  // namespace handoff::protocol
