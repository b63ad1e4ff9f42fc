#include "supervisor/processes/service_messages.h"

#include <algorithm>
#include <cctype>

#include "handoff.pb.h"
#include "libhandoff/protocol/limits.h"

namespace handoff::supervisor {
namespace {

constexpr int kMaxLostIds = 100;  // handoff.proto: the first 100 of them

std::string code_name(v1::Code code) {
  std::string name = v1::Code_Name(code);
  if (name.empty()) return "code_" + std::to_string(static_cast<int>(code));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

// A service's words reach logs and terminals: bounded, one line, no control characters.
std::string printable(const std::string& text) {
  std::string out = text.substr(0, protocol::kMaxReason);
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return out;
}

CopyPhase phase_of(v1::Phase phase) {
  switch (phase) {
    case v1::PHASE_COPY:
      return CopyPhase::kCopy;
    case v1::PHASE_SWITCH:
      return CopyPhase::kSwitch;
    case v1::PHASE_RETIRE:
      return CopyPhase::kRetire;
    default:
      return CopyPhase::kNone;
  }
}

template <class T>
bool parse(T& message, std::string_view body) {
  return message.ParseFromArray(body.data(), static_cast<int>(body.size()));
}

// An entry of a list may be empty, two bytes on the wire and a hundred times that here: the lists
// have limits, as in the library's own decoder.
template <class T>
bool within_limits(const T&) {
  return true;
}
bool within_limits(const v1::Manifest& manifest) {
  for (const v1::Kind& kind : manifest.kinds()) {
    if (kind.reads_size() > static_cast<int>(protocol::kMaxKinds) ||
        kind.writes_size() > static_cast<int>(protocol::kMaxKinds)) {
      return false;
    }
  }
  return manifest.kinds_size() <= static_cast<int>(protocol::kMaxKinds) &&
         manifest.named_size() <= static_cast<int>(protocol::kMaxNamed);
}
bool within_limits(const v1::Register& message) { return within_limits(message.manifest()); }
bool within_limits(const v1::Rehearsed& message) {
  return within_limits(message.from()) && within_limits(message.to()) &&
         message.findings_size() <= static_cast<int>(protocol::kMaxFindings) &&
         message.amounts_size() <= static_cast<int>(protocol::kMaxKinds);
}
bool within_limits(const v1::Owner& message) {
  return message.named_size() <= static_cast<int>(protocol::kMaxNamed) &&
         message.lost_ids_size() <= kMaxLostIds;
}

Heard from(const v1::Register& message, Generation generation, std::vector<UniqueFd>&) {
  Heard heard;
  heard.aside = ReleaseNamed{printable(message.manifest().service()),
                             printable(message.manifest().release())};
  heard.events.emplace_back(
      Registered{generation, message.returning(), message.handoff_id(), message.rehearsal()});
  return heard;
}

UniqueFd shown(const v1::Named& named, std::vector<UniqueFd>& fds) {
  return named.fd_index() < fds.size() ? std::move(fds[named.fd_index()]) : UniqueFd();
}

Heard from(const v1::Owner& message, Generation generation, std::vector<UniqueFd>& passed) {
  Heard heard;
  FdsNamed fds;
  for (const v1::Named& named : message.named()) {
    NamedFd out{printable(named.name()), printable(named.address()), named.inode(), named.device()};
    if (message.with_fds() && !named.address().empty()) out.fd = shown(named, passed);
    fds.fds.push_back(std::move(out));
  }
  heard.aside = std::move(fds);
  Owned owned{.generation = generation,
              .handoff_id = message.handoff_id(),
              .sessions = message.sessions(),
              .lost = message.lost(),
              .frozen_at_ns = message.frozen_at_ns(),
              .running_at_ns = message.running_at_ns(),
              .blackout = {message.blackout().p50_us(), message.blackout().p99_us(),
                           message.blackout().p999_us(), message.blackout().max_us()},
              .donor_died = message.donor_died()};
  owned.lost_ids.assign(message.lost_ids().begin(), message.lost_ids().end());
  heard.events.emplace_back(std::move(owned));
  return heard;
}

Heard from(const v1::Progress& message, Generation generation, std::vector<UniqueFd>&) {
  return {{Progressed{generation, message.handoff_id(), phase_of(message.phase()), message.at_ns(),
                      message.sessions_sent(), message.sessions_total(), message.bytes(),
                      message.round()}},
          {}};
}

Heard from(const v1::Failed& message, Generation generation, std::vector<UniqueFd>&) {
  return {{HandoffFailed{generation, message.handoff_id(), code_name(message.code()),
                         printable(message.reason())}},
          {}};
}

Heard from(const v1::Retired& message, Generation generation, std::vector<UniqueFd>&) {
  return {{DonorRetired{generation, message.handoff_id(), message.sessions(), message.bytes(),
                        message.lost(), message.heir_died(), message.at_ns(),
                        message.first_fd_at_ns()}},
          {}};
}

Heard from(const v1::Late& message, Generation generation, std::vector<UniqueFd>&) {
  return {{DonorLate{generation, message.handoff_id(), message.waiting(), message.moved(),
                     message.closed(), message.linked(), message.at_ns()}},
          {}};
}

Heard from(const v1::Status& message, Generation, std::vector<UniqueFd>&) {
  Heard heard;
  heard.aside = SessionsCounted{message.query_id(), message.sessions(), message.errors()};
  return heard;
}

Heard from(const v1::Health& message, Generation generation, std::vector<UniqueFd>&) {
  std::string why;
  if (!message.healthy()) {
    why = "the service says that it is not well";
    if (!message.reason().empty()) why += ": " + printable(message.reason());
  }
  return {{HealthHeard{generation, message.healthy(), std::move(why)}}, {}};
}

protocol::Manifest manifest_of(const v1::Manifest& message) {
  protocol::Manifest out{printable(message.service()), printable(message.release())};
  for (const v1::Kind& kind : message.kinds()) {
    out.kinds.push_back({printable(kind.name()),
                         kind.section(),
                         kind.version(),
                         {kind.reads().begin(), kind.reads().end()},
                         {kind.writes().begin(), kind.writes().end()},
                         kind.region()});
  }
  for (const v1::Named& named : message.named()) {
    out.named.push_back({printable(named.name()), printable(named.address())});
  }
  return out;
}

Heard from(const v1::Rehearsed& message, Generation generation, std::vector<UniqueFd>&) {
  protocol::Rehearsed out{.handoff_id = message.handoff_id(),
                          .complete = message.complete(),
                          .sessions = message.sessions(),
                          .passed = message.passed(),
                          .refused = message.refused(),
                          .busy = message.busy(),
                          .spent_ns = message.spent_ns(),
                          .finish_ns = message.finish_ns(),
                          .unsettled = message.unsettled(),
                          .early = message.early(),
                          .rss = message.rss(),
                          .pss = message.pss(),
                          .round_trip_ns = message.round_trip_ns()};
  if (message.has_from()) out.from = manifest_of(message.from());
  if (message.has_to()) out.to = manifest_of(message.to());
  for (const v1::Finding& finding : message.findings()) {
    out.findings.push_back(
        {finding.session(), printable(finding.what()), printable(finding.reason())});
  }
  for (const v1::Amount& amount : message.amounts()) {
    out.amounts.push_back({printable(amount.name()), amount.section(), amount.count(),
                           amount.bytes(), amount.region()});
  }
  Heard heard;
  heard.events.emplace_back(Rehearsed{generation, message.handoff_id(), message.complete()});
  heard.aside = std::move(out);
  return heard;
}

template <class T>
Result<Heard> take(protocol::Type type, std::string_view body, Generation generation,
                   std::vector<UniqueFd>& fds) {
  T message;
  if (!parse(message, body)) {
    return fail(-EPROTO, "a " + protocol::type_name(type) + " that is malformed");
  }
  if (!within_limits(message)) {
    return fail(-EPROTO, "a " + protocol::type_name(type) + " with too many entries");
  }
  return from(message, generation, fds);
}

void fill(v1::Handoff& out, const HandoffEnd& end) {
  out.set_id(end.id);
  out.set_channel_index(end.channel_index);
  out.set_peer_index(end.peer_index);
  out.set_peer_pid(end.peer_pid);
  out.set_stall_us(static_cast<std::uint64_t>(to_us(end.timeouts.stall)));
  out.set_budget_us(static_cast<std::uint64_t>(to_us(end.timeouts.freeze_budget)));
  out.set_rehearsal(end.rehearsal);
  if (end.drain_incompatible) out.set_drain_incompatible(true);
  out.set_spread(end.spread);
}

v1::Start start(const std::string& service, Generation generation, const std::string& report_path) {
  v1::Start out;
  out.set_protocol_min(protocol::kVersionMin);
  out.set_protocol_max(protocol::kVersionMax);
  out.set_service(service);
  out.set_generation(generation);
  out.set_report_path(report_path);
  return out;
}

}  // namespace

Result<Heard> decode(protocol::Type type, std::string_view body, Generation generation,
                     std::vector<UniqueFd> fds) {
  switch (type) {
    case protocol::Type::kRegister:
      return take<v1::Register>(type, body, generation, fds);
    case protocol::Type::kOwner:
      return take<v1::Owner>(type, body, generation, fds);
    case protocol::Type::kProgress:
      return take<v1::Progress>(type, body, generation, fds);
    case protocol::Type::kFailed:
      return take<v1::Failed>(type, body, generation, fds);
    case protocol::Type::kRetired:
      return take<v1::Retired>(type, body, generation, fds);
    case protocol::Type::kLate:
      return take<v1::Late>(type, body, generation, fds);
    case protocol::Type::kStatus:
      return take<v1::Status>(type, body, generation, fds);
    case protocol::Type::kHealth:
      return take<v1::Health>(type, body, generation, fds);
    case protocol::Type::kRehearsed:
      return take<v1::Rehearsed>(type, body, generation, fds);
    default:
      return fail(-EPROTO, "a " + protocol::type_name(type) + ", which no service sends");
  }
}

std::string encode_start(const std::string& service, Generation generation,
                         const std::vector<NamedFd>& listeners, const std::string& report_path) {
  v1::Start out = start(service, generation, report_path);
  std::uint32_t index = 0;
  for (const NamedFd& listener : listeners) {
    v1::Named* named = out.add_listeners();
    named->set_name(listener.name);
    named->set_address(listener.address);
    named->set_inode(listener.inode);
    named->set_device(listener.device);
    named->set_fd_index(index++);
  }
  return out.SerializeAsString();
}

std::string encode_start_heir(const std::string& service, Generation generation,
                              const HandoffEnd& end, const std::string& report_path) {
  v1::Start out = start(service, generation, report_path);
  out.set_heir(true);
  fill(*out.mutable_handoff(), end);
  return out.SerializeAsString();
}

std::string encode_donate(Generation heir, const HandoffEnd& end) {
  v1::Donate out;
  out.set_heir_generation(heir);
  fill(*out.mutable_handoff(), end);
  return out.SerializeAsString();
}

std::string encode_stop(Time deadline) {
  v1::Stop out;
  out.set_deadline_us(static_cast<std::uint64_t>(to_us(deadline.time_since_epoch())));
  return out.SerializeAsString();
}

std::string encode_drain(Time deadline, LateSessions policy) {
  v1::Drain out;
  out.set_deadline_us(static_cast<std::uint64_t>(to_us(deadline.time_since_epoch())));
  out.set_policy(policy == LateSessions::kMove    ? v1::LATE_MOVE
                 : policy == LateSessions::kClose ? v1::LATE_CLOSE
                                                  : v1::LATE_KEEP);
  return out.SerializeAsString();
}

std::string encode_spread(std::uint32_t permille) {
  v1::Spread out;
  out.set_permille(permille);
  return out.SerializeAsString();
}

std::string encode_relink(Generation other, Duration budget) {
  v1::Relink out;
  out.set_other(other);
  out.set_budget_us(static_cast<std::uint64_t>(to_us(budget)));
  return out.SerializeAsString();
}

std::string encode_query(std::uint64_t id) {
  v1::Query out;
  out.set_id(id);
  return out.SerializeAsString();
}

std::string encode_cancel(std::uint64_t handoff_id, const std::string& reason) {
  v1::Cancel out;
  out.set_handoff_id(handoff_id);
  out.set_reason(reason.substr(0, protocol::kMaxReason));
  return out.SerializeAsString();
}

}  // namespace handoff::supervisor
