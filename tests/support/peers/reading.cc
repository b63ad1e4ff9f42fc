#include "support/peers/reading.h"

#include "handoff.pb.h"
#include "libhandoff/protocol/messages.h"
#include "support/peers/reading_control.h"

namespace handoff::test {
namespace {

using protocol::Type;
using test::copy;

void copy(const protocol::Hello& from, v1::Hello& to) {
  to.set_protocol_min(from.protocol_min);
  to.set_protocol_max(from.protocol_max);
  to.set_handoff_id(from.handoff_id);
  to.set_lane(from.lane);
  to.set_lanes(from.lanes);
  copy(from.manifest, *to.mutable_manifest());
  to.set_sessions(from.sessions);
  to.set_fds_max(from.fds_max);
  to.set_links(from.links);
  to.set_drain_incompatible(from.drain_incompatible);
  to.set_ring_sessions(from.ring_sessions);
  to.set_looks(from.looks);
  to.set_room_ns(from.room_ns);
  to.set_heard_at_ns(from.heard_at_ns);
  to.set_tails(from.tails);
  to.set_unmovable(static_cast<v1::Unmovable>(from.unmovable));
  to.set_layers(from.layers);
  to.set_session_fds(from.session_fds);
}

void copy(const protocol::Abort& from, v1::Abort& to) {
  to.set_code(static_cast<v1::Code>(from.reason.code));
  to.set_reason(from.reason.text);
}

void copy(const protocol::Listeners& from, v1::Listeners& to) {
  for (const auto& named : from.named) copy(named, *to.add_named());
  to.set_total(from.total);
}

void copy(const protocol::Session& from, v1::Session& to) {
  to.set_id(from.id);
  to.set_kind(from.kind);
  to.set_flags(from.flags);
  to.set_has_fd(from.has_fd);
  to.set_state(std::string(from.state));
  to.set_input(std::string(from.input));
  to.set_output(std::string(from.output));
  to.set_layer_flags(from.layer_flags);
  to.set_inode(from.inode);
  if (from.counters) {
    to.mutable_counters()->set_consumed(from.counters->consumed);
    to.mutable_counters()->set_written(from.counters->written);
  }
  if (from.blob) {
    to.mutable_blob()->set_state_length(from.blob->state_length);
    to.mutable_blob()->set_input_length(from.blob->input_length);
    to.mutable_blob()->set_output_length(from.blob->output_length);
    to.mutable_blob()->set_checksum(from.blob->checksum);
  }
  if (from.process) copy(*from.process, *to.mutable_process());
  if (from.input_tail) to.mutable_input_tail()->set_drop(from.input_tail->drop);
  if (from.output_tail) to.mutable_output_tail()->set_drop(from.output_tail->drop);
  for (const auto& one : from.fds) {
    auto& fd = *to.add_fds();
    fd.set_name(one.name);
    fd.set_inode(one.inode);
    fd.set_device(one.device);
    fd.set_sent(one.sent);
  }
  to.set_layer(std::string(from.layer));
  to.set_no_fd(from.no_fd);
}

void copy(const protocol::Sessions& from, v1::Sessions& to) {
  for (const auto& session : from.sessions) copy(session, *to.add_sessions());
  for (const std::uint64_t id : from.closed) to.add_closed(id);
  to.set_unseen(from.unseen);
  if (from.in_ring) {
    to.mutable_in_ring()->set_slot(from.in_ring->slot);
    to.mutable_in_ring()->set_length(from.in_ring->length);
    to.mutable_in_ring()->set_checksum(from.in_ring->checksum);
  }
}

void copy(const protocol::Ring& from, v1::Ring& to) {
  to.set_slots(from.slots);
  to.set_slot_size(from.slot_size);
}

void copy(const protocol::SectionChunk& from, v1::SectionChunk& to) {
  to.set_kind(from.kind);
  to.set_slot(from.slot);
  to.set_length(from.length);
  to.set_checksum(from.checksum);
}

void copy(const protocol::Region& from, v1::Region& to) {
  to.set_kind(from.kind);
  to.set_inode(from.inode);
  to.set_device(from.device);
  to.set_size(from.size);
}

void copy(const protocol::CopyEnd& from, v1::CopyEnd& to) {
  to.set_round(from.round);
  to.set_sessions(from.sessions);
}

void copy(const protocol::Prepare& from, v1::Prepare& to) {
  to.set_sessions(from.sessions);
  to.set_chunks(from.chunks);
  to.set_checksum(from.checksum);
  to.set_frozen_at_ns(from.frozen_at_ns);
  to.set_budget_us(from.budget_us);
  to.set_late(from.late);
  for (const std::uint64_t id : from.late_ids) to.add_late_ids(id);
  to.set_closing(from.closing);
  for (const std::uint64_t id : from.closing_ids) to.add_closing_ids(id);
}

void copy(const protocol::Lanes& from, v1::Lanes& to) {
  to.set_donor(from.donor);
  to.set_heir(from.heir);
}

void copy(const protocol::LanePrepare& from, v1::LanePrepare& to) {
  to.set_sessions(from.sessions);
  to.set_checksum(from.checksum);
}

void copy(const protocol::LinkHello& from, v1::LinkHello& to) {
  to.set_protocol_min(from.protocol_min);
  to.set_protocol_max(from.protocol_max);
  to.set_generation(from.generation);
  to.set_answer(from.answer);
  to.set_layers(from.layers);
  to.set_session_fds(from.session_fds);
  to.set_lanes(from.lanes);
  copy(from.manifest, *to.mutable_manifest());
}

void copy(const protocol::GroupSessions& from, v1::GroupSessions& to) {
  to.set_group(from.group);
  to.set_sessions(std::string(from.sessions));
}

void copy(const protocol::GroupPrepare& from, v1::GroupPrepare& to) {
  to.set_group(from.group);
  to.set_sessions(from.sessions);
  to.set_checksum(from.checksum);
  to.set_frozen_at_ns(from.frozen_at_ns);
}

void copy(const protocol::GroupRelease& from, v1::GroupRelease& to) { to.set_group(from.group); }

void copy(const protocol::GroupPrepared& from, v1::GroupPrepared& to) {
  to.set_group(from.group);
  to.set_sessions(from.sessions);
}

void copy(const protocol::GroupResumed& from, v1::GroupResumed& to) { to.set_group(from.group); }

void copy(const protocol::GroupAbort& from, v1::GroupAbort& to) {
  to.set_group(from.group);
  to.set_by_giver(from.by_giver);
  to.set_code(static_cast<v1::Code>(from.reason.code));
  to.set_reason(from.reason.text);
}

void copy(const protocol::Ack& from, v1::Ack& to) { to.set_frames(from.frames); }

void copy(const protocol::Refusal& from, v1::Refusal& to) {
  to.set_id(from.id);
  to.set_reason(from.reason);
}

void copy(const protocol::Copied& from, v1::Copied& to) {
  to.set_round(from.round);
  to.set_sessions(from.sessions);
  for (const auto& one : from.refused) copy(one, *to.add_refused());
}

void copy(const protocol::Prepared& from, v1::Prepared& to) {
  to.set_sessions(from.sessions);
  for (const auto& one : from.refused) copy(one, *to.add_refused());
}

template <class M>
std::string written(const M& message) {
  return encode(message);
}
std::string written(const protocol::Sessions& message) {
  std::string body;
  for (const auto& session : message.sessions) append(body, session);
  for (const std::uint64_t id : message.closed) protocol::append_closed(body, id);
  if (message.in_ring) body += encode(*message.in_ring);
  if (message.unseen) protocol::append_unseen(body);
  return body;
}

template <class Plain, class Pb>
Result<Reading> read(std::string_view body) {
  const auto plain = protocol::decode<Plain>(body);
  if (!plain) return Failure(plain.error());
  auto message = std::make_unique<Pb>();
  copy(*plain, *message);
  return Reading{std::move(message), written(*plain)};
}

// For types without a body: the library does not look at it.
template <class Pb>
Result<Reading> read_nothing(std::string_view) {
  return Reading{std::make_unique<Pb>(), ""};
}

using Reader = Result<Reading> (*)(std::string_view body);

Reader reader_of(Type type) {
  switch (type) {
    case Type::kHello:
      return read<protocol::Hello, v1::Hello>;
    case Type::kAbort:
      return read<protocol::Abort, v1::Abort>;
    case Type::kListeners:
      return read<protocol::Listeners, v1::Listeners>;
    case Type::kSessions:
      return read<protocol::Sessions, v1::Sessions>;
    case Type::kRing:
      return read<protocol::Ring, v1::Ring>;
    case Type::kSectionChunk:
      return read<protocol::SectionChunk, v1::SectionChunk>;
    case Type::kRegion:
      return read<protocol::Region, v1::Region>;
    case Type::kCopyEnd:
      return read<protocol::CopyEnd, v1::CopyEnd>;
    case Type::kPrepare:
      return read<protocol::Prepare, v1::Prepare>;
    case Type::kRelease:
      return read_nothing<v1::Release>;
    case Type::kLanes:
      return read<protocol::Lanes, v1::Lanes>;
    case Type::kLanePrepare:
      return read<protocol::LanePrepare, v1::LanePrepare>;
    case Type::kAck:
      return read<protocol::Ack, v1::Ack>;
    case Type::kCopied:
      return read<protocol::Copied, v1::Copied>;
    case Type::kPrepared:
      return read<protocol::Prepared, v1::Prepared>;
    case Type::kResumed:
      return read_nothing<v1::Resumed>;
    case Type::kStart:
      return read<protocol::Start, v1::Start>;
    case Type::kDonate:
      return read<protocol::Donate, v1::Donate>;
    case Type::kStop:
      return read<protocol::Stop, v1::Stop>;
    case Type::kQuery:
      return read<protocol::Query, v1::Query>;
    case Type::kCancel:
      return read<protocol::Cancel, v1::Cancel>;
    case Type::kLinkHello:
      return read<protocol::LinkHello, v1::LinkHello>;
    case Type::kGroupSessions:
      return read<protocol::GroupSessions, v1::GroupSessions>;
    case Type::kGroupPrepare:
      return read<protocol::GroupPrepare, v1::GroupPrepare>;
    case Type::kGroupRelease:
      return read<protocol::GroupRelease, v1::GroupRelease>;
    case Type::kGroupPrepared:
      return read<protocol::GroupPrepared, v1::GroupPrepared>;
    case Type::kGroupResumed:
      return read<protocol::GroupResumed, v1::GroupResumed>;
    case Type::kGroupAbort:
      return read<protocol::GroupAbort, v1::GroupAbort>;
    case Type::kRelink:
      return read<protocol::Relink, v1::Relink>;
    case Type::kSpread:
      return read<protocol::Spread, v1::Spread>;
    case Type::kDrain:
      return read<protocol::Drain, v1::Drain>;
    case Type::kRegister:
      return read<protocol::Register, v1::Register>;
    case Type::kOwner:
      return read<protocol::Owner, v1::Owner>;
    case Type::kProgress:
      return read<protocol::Progress, v1::Progress>;
    case Type::kFailed:
      return read<protocol::Failed, v1::Failed>;
    case Type::kRetired:
      return read<protocol::Retired, v1::Retired>;
    case Type::kStatus:
      return read<protocol::Status, v1::Status>;
    case Type::kHealth:
      return read<protocol::Health, v1::Health>;
    case Type::kLate:
      return read<protocol::Late, v1::Late>;
    case Type::kRehearsed:
      return read<protocol::Rehearsed, v1::Rehearsed>;
    default:
      return nullptr;
  }
}

}  // namespace

MessagePtr new_message(Type type) {
  const auto* descriptor =
      v1::Hello::descriptor()->file()->FindMessageTypeByName(protocol::type_name(type));
  if (descriptor == nullptr) return nullptr;
  return MessagePtr(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
}

bool library_reads(Type type) { return reader_of(type) != nullptr; }

Result<Reading> read_by_library(Type type, std::string_view body) {
  const Reader reader = reader_of(type);
  if (reader == nullptr) {
    return fail(-EINVAL, "the library reads no " + protocol::type_name(type));
  }
  return reader(body);
}

}  // namespace handoff::test
