// What both sides of a handoff have in common: its parameters, and how its progress and its end
// reach the supervisor and the service around.
#pragma once

#include <cstdint>
#include <optional>

#include "handoff/handoff.h"
#include "libhandoff/base/result.h"
#include "libhandoff/core/leaving.h"
#include "libhandoff/core/types.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/service/registry.h"
#include "libhandoff/sys/poller.h"

namespace handoff::io {

// Implemented by process/service; an interface, so that tests can listen.
class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void progress(const protocol::Progress& progress) = 0;
  virtual void failed(const protocol::Failed& failed) = 0;
  virtual void retired(const protocol::Retired& retired) = 0;
  virtual void rehearsed(const protocol::Rehearsed& rehearsed) = 0;
  // A donor that freezes: the links to late processes rest from here on, with no group under way;
  // an Error if there still is one at until.
  virtual Result<void> rest_links(core::Time until) = 0;
  // The donor serves on, and so do its links.
  virtual void wake_links() = 0;
};

// What a driver waits for: its channel, unless nothing more can come of it; the peer's exit, unless
// it was seen; a deadline. nullopt: nothing, the handoff is over.
struct Awaited {
  std::optional<int> channel;  // fd
  bool write = false;          // room in it, too
  std::optional<int> peer;     // pidfd
  std::optional<core::Time> deadline;
};
void await(Poller& poller, const Registry& registry, const Awaited& awaited);

struct HandoffParameters {
  std::uint64_t id = 0;
  core::Limits limits;
  bool drain_incompatible = false;
  std::uint32_t spread = 0;  // permille that moves at the switch; 0: all
  // Donor: what the heir's release claims, and what may be left out of what it does not.
  core::Manifest claims = {};
  core::MayLeaveOut may = {};
  // Donor: what becomes of sessions that can't be moved.
  core::Unmovable unmovable = core::Unmovable::kRefuse;
};

}  // namespace handoff::io
