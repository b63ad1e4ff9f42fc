// One session as it goes over: saved by the service, converted, and packed into the body and the
// fds of a frame. For the copy of a handoff and for the groups of a link.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

// A Sessions body in the making, with its fds in order.
struct PackedSessions {
  PackedSessions() = default;
  PackedSessions(PackedSessions&&) = default;
  PackedSessions& operator=(PackedSessions&&) = default;
  ~PackedSessions() {
    if (secret) wipe(body);
  }
  std::string body;
  std::vector<int> fds;         // borrowed
  std::vector<UniqueFd> blobs;  // keeps the memfds among fds open until they are sent
  std::uint64_t bytes = 0;      // of state, input and output
  bool secret = false;          // some of it are a layer's: the body is to be wiped
};
// How many fds its record may bring into a frame: the socket, a memfd, and its own.
std::size_t fds_of_record(const Registry& registry, std::uint64_t id);

// What the peer has of a session's input and output; nullopt: that is not known, or it takes whole
// ones alone.
struct AtPeer {
  std::optional<core::Stretch> input = {};
  std::optional<core::Stretch> output = {};
};

// What the service saves of it, in the version that travels; into out, whose memory is used again.
Result<void> save_session(Registry& registry, std::uint64_t id, const SessionEntry& entry,
                          std::uint32_t version, handoff_saved& out, const AtPeer& at_peer = {});
// Whether its fd still is the socket that the session was opened with (invariant I6,
// docs/invariants.md). Before it is passed on.
Result<void> check_fd(const Registry& registry, std::uint64_t id, const SessionEntry& entry);
// Likewise for its other fds; first: the peer has none of them.
Result<void> check_own_fds(const Registry& registry, std::uint64_t id, const SessionEntry& entry,
                           bool first);
// The peer's library does not know of what the session has beside a socket, or instead of one.
Failure own_fds_unknown(const Registry& registry, std::uint64_t id, const SessionEntry& entry);
// kind: its number on the wire. first: the peer does not have the session yet.
Result<void> pack_session(const Registry& registry, std::uint64_t id, const SessionEntry& entry,
                          std::uint32_t kind, const handoff_saved& saved, bool first,
                          PackedSessions& out);

}  // namespace handoff::io
