// The bodies of handoff.proto as plain structures, read and written with protozero. Decoding checks
// all that can be checked without knowing the state of the handoff: that it parses, and the limits.
// string_views point into the decoded bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/core/counters.h"
#include "libhandoff/core/manifest.h"
#include "libhandoff/core/types.h"

namespace handoff::protocol {

using core::Counters;
using core::Kind;
using core::Manifest;
using core::Named;

// Both ways on the channel.
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
};
struct Abort {
  core::Reason reason;
};

// Donor to heir.
struct Listeners {
  std::vector<Named> named;
  std::uint64_t total = 0;
};
struct Blob {
  std::uint64_t state_length = 0;
  std::uint64_t input_length = 0;
  std::uint64_t output_length = 0;
  std::uint64_t checksum = 0;
};
inline constexpr std::uint32_t kSessionIndependent = 1;
struct Session {
  std::uint64_t id = 0;
  std::uint32_t kind = 0;
  std::uint32_t flags = 0;
  bool has_fd = false;
  std::string_view state = {};
  std::string_view input = {};
  std::string_view output = {};
  std::uint32_t layer_flags = 0;
  std::uint64_t inode = 0;
  std::optional<Counters> counters = {};
  std::optional<Blob> blob = {};
};
struct InRing {
  std::uint32_t slot = 0;
  std::uint32_t length = 0;
  std::uint64_t checksum = 0;
};
struct Sessions {
  std::vector<Session> sessions;
  std::vector<std::uint64_t> closed;
  std::optional<InRing> in_ring = {};
  bool unseen = false;
};
struct Ring {
  std::uint32_t slots = 0;
  std::uint32_t slot_size = 0;
};
struct SectionChunk {
  std::uint32_t kind = 0;
  std::uint32_t slot = 0;
  std::uint32_t length = 0;
  std::uint64_t checksum = 0;
};
struct Region {
  std::uint32_t kind = 0;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  std::uint64_t size = 0;
};
struct CopyEnd {
  std::uint32_t round = 0;
  std::uint64_t sessions = 0;
};
struct Prepare {
  std::uint64_t sessions = 0;
  std::uint64_t chunks = 0;
  std::uint64_t checksum = 0;
  std::uint64_t frozen_at_ns = 0;
  std::uint64_t budget_us = 0;
  std::uint64_t late = 0;
};
struct Lanes {
  std::uint32_t donor = 0;
  std::uint32_t heir = 0;
};
struct LanePrepare {
  std::uint64_t sessions = 0;
  std::uint64_t checksum = 0;
};

// Heir to donor.
struct Ack {
  std::uint64_t frames = 0;
};
struct Copied {
  std::uint32_t round = 0;
  std::uint64_t sessions = 0;
};
struct Prepared {
  std::uint64_t sessions = 0;
};

// Over a link.
struct LinkHello {
  std::uint32_t protocol_min = 0;
  std::uint32_t protocol_max = 0;
  std::uint64_t generation = 0;
  bool answer = false;
  Manifest manifest;
};
struct GroupSessions {
  std::uint64_t group = 0;
  std::string_view sessions;
};
struct GroupPrepare {
  std::uint64_t group = 0;
  std::uint64_t sessions = 0;
  std::uint64_t checksum = 0;
  std::uint64_t frozen_at_ns = 0;
};
struct GroupRelease {
  std::uint64_t group = 0;
};
struct GroupPrepared {
  std::uint64_t group = 0;
  std::uint64_t sessions = 0;
};
struct GroupResumed {
  std::uint64_t group = 0;
};
struct GroupAbort {
  std::uint64_t group = 0;
  bool by_giver = false;
  core::Reason reason;
};

// Supervisor to service.
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
};
struct Start {
  std::uint32_t protocol_min = 0;
  std::uint32_t protocol_max = 0;
  std::string service;
  std::uint64_t generation = 0;
  bool heir = false;
  std::vector<Named> listeners;
  std::optional<Handoff> handoff;
  std::string report_path;
};
struct Donate {
  Handoff handoff;
  std::uint64_t heir_generation = 0;
};
struct Stop {
  std::uint64_t deadline_us = 0;
};
struct Query {
  std::uint64_t id = 0;
};
struct Cancel {
  std::uint64_t handoff_id = 0;
  std::string reason;
};
enum class LatePolicy : std::uint8_t { kMove = 0, kClose = 1, kKeep = 2 };
struct Spread {
  std::uint32_t permille = 0;
};
struct Relink {
  std::uint64_t other = 0;
  std::uint64_t budget_us = 0;
};
struct Drain {
  std::uint64_t deadline_us = 0;
  LatePolicy policy = LatePolicy::kMove;
};

// Service to supervisor.
struct Register {
  std::uint32_t protocol_min = 0;
  std::uint32_t protocol_max = 0;
  std::uint64_t generation = 0;
  Manifest manifest;
  bool returning = false;
  std::uint32_t state = 0;
  std::uint64_t handoff_id = 0;
  bool rehearsal = false;
};
struct Blackout {
  std::uint64_t p50_us = 0;
  std::uint64_t p99_us = 0;
  std::uint64_t p999_us = 0;
  std::uint64_t max_us = 0;
};
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
};
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
struct Failed {
  std::uint64_t handoff_id = 0;
  core::Reason reason;
  std::uint64_t at_ns = 0;
};
struct Retired {
  std::uint64_t handoff_id = 0;
  std::uint64_t at_ns = 0;
  std::uint64_t sessions = 0;
  std::uint64_t bytes = 0;
  std::uint64_t frozen_at_ns = 0;
  std::uint64_t lost = 0;
  bool heir_died = false;
  std::uint64_t first_fd_at_ns = 0;
};
struct Status {
  std::uint64_t query_id = 0;
  std::uint64_t sessions = 0;
  std::uint32_t state = 0;
  std::uint64_t errors = 0;
};
struct Health {
  bool healthy = false;
  std::string reason;
};
struct Finding {
  std::uint64_t session = 0;
  std::string what;
  std::string reason;
};
struct Amount {
  std::string name;
  bool section = false;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  bool region = false;
};
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
};
struct Late {
  std::uint64_t handoff_id = 0;
  std::uint64_t waiting = 0;
  std::uint64_t moved = 0;
  std::uint64_t at_ns = 0;
  bool linked = false;
  std::uint64_t closed = 0;
};

std::string encode(const Hello& m);
std::string encode(const Abort& m);
std::string encode(const Listeners& m);
std::string encode(const Ring& m);
std::string encode(const SectionChunk& m);
std::string encode(const Region& m);
std::string encode(const CopyEnd& m);
std::string encode(const Prepare& m);
std::string encode(const Lanes& m);
std::string encode(const LanePrepare& m);
std::string encode(const Ack& m);
std::string encode(const Copied& m);
std::string encode(const Prepared& m);
std::string encode(const LinkHello& m);
std::string encode(const GroupSessions& m);
std::string encode(const GroupPrepare& m);
std::string encode(const GroupRelease& m);
std::string encode(const GroupPrepared& m);
std::string encode(const GroupResumed& m);
std::string encode(const GroupAbort& m);
std::string encode(const Register& m);
std::string encode(const Owner& m);
std::string encode(const Progress& m);
std::string encode(const Failed& m);
std::string encode(const Retired& m);
std::string encode(const Status& m);
std::string encode(const Health& m);
std::string encode(const Rehearsed& m);
std::string encode(const Late& m);

// Appends one record, one closed id, or that it is unseen, to the body of a Sessions message.
void append(std::string& body, const Session& session);
void append_closed(std::string& body, std::uint64_t id);
void append_unseen(std::string& body);
// The body of a Sessions message whose records lie in the ring.
std::string encode(const InRing& m);

// Fails with HANDOFF_ERR_PROTOCOL. There is one for each message that a service receives.
template <class Message>
Result<Message> decode(std::string_view body);
template <>
Result<Hello> decode(std::string_view body);
template <>
Result<Abort> decode(std::string_view body);
template <>
Result<Listeners> decode(std::string_view body);
template <>
Result<Sessions> decode(std::string_view body);
template <>
Result<Ring> decode(std::string_view body);
template <>
Result<SectionChunk> decode(std::string_view body);
template <>
Result<Region> decode(std::string_view body);
template <>
Result<CopyEnd> decode(std::string_view body);
template <>
Result<Prepare> decode(std::string_view body);
template <>
Result<Lanes> decode(std::string_view body);
template <>
Result<LanePrepare> decode(std::string_view body);
template <>
Result<Ack> decode(std::string_view body);
template <>
Result<Copied> decode(std::string_view body);
template <>
Result<Prepared> decode(std::string_view body);
template <>
Result<LinkHello> decode(std::string_view body);
template <>
Result<GroupSessions> decode(std::string_view body);
template <>
Result<GroupPrepare> decode(std::string_view body);
template <>
Result<GroupRelease> decode(std::string_view body);
template <>
Result<GroupPrepared> decode(std::string_view body);
template <>
Result<GroupResumed> decode(std::string_view body);
template <>
Result<GroupAbort> decode(std::string_view body);
template <>
Result<Start> decode(std::string_view body);
template <>
Result<Donate> decode(std::string_view body);
template <>
Result<Stop> decode(std::string_view body);
template <>
Result<Query> decode(std::string_view body);
template <>
Result<Cancel> decode(std::string_view body);
template <>
Result<Drain> decode(std::string_view body);
template <>
Result<Spread> decode(std::string_view body);
template <>
Result<Relink> decode(std::string_view body);

}  // namespace handoff::protocol
