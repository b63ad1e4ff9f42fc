#include "supervisor/processes/service_messages.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "libhandoff/base/text.h"
#include "libhandoff/protocol/control_orders.h"
#include "libhandoff/protocol/control_reports.h"
#include "libhandoff/protocol/limits.h"

namespace handoff::supervisor {
namespace {

// The wire's numbers and the core's are the same.
static_assert(static_cast<int>(CopyPhase::kRetire) == static_cast<int>(protocol::Phase::kRetire));
static_assert(static_cast<int>(LateSessions::kKeep) ==
              static_cast<int>(protocol::LatePolicy::kKeep));

std::string code_name(core::Code code) {
  static constexpr std::array<const char*, 11> kNames = {
      "unspecified", "version",   "unclaimed", "identity",  "rejected", "timeout",
      "protocol",    "resources", "peer_died", "cancelled", "internal"};
  const auto number = static_cast<std::size_t>(code);
  return number < kNames.size() ? kNames[number] : "code_" + std::to_string(number);
}

// A service's words are kept in state files and histories, which others print. They reach JSON,
// too: so what is no UTF-8 is refused.
bool make_printable(std::string& text) {
  if (!is_utf8(text)) return false;
  text = printable(text, protocol::kMaxReason);
  return true;
}

Heard from(protocol::Register&& message, Generation generation, std::vector<UniqueFd>&) {
  Heard heard;
  ReleaseNamed named{message.manifest.service, message.manifest.release,
                     std::move(message.manifest)};
  for (protocol::GivenBack& one : message.given_back) {
    if (one.drop) named.drops.push_back(one.name);
    named.given_back.push_back(std::move(one.name));
  }
  named.vault = std::move(message.vault);
  heard.aside = std::move(named);
  heard.events.emplace_back(
      Registered{generation, message.returning, message.handoff_id, message.rehearsal});
  return heard;
}

UniqueFd shown(const protocol::Named& named, std::vector<UniqueFd>& fds) {
  return named.fd_index < fds.size() ? std::move(fds[named.fd_index]) : UniqueFd();
}

Heard from(protocol::Owner&& message, Generation generation, std::vector<UniqueFd>& passed) {
  Heard heard;
  FdsNamed fds;
  for (protocol::Named& named : message.named) {
    UniqueFd fd = message.with_fds && !named.address.empty() ? shown(named, passed) : UniqueFd();
    fds.fds.push_back({std::move(named.name), std::move(named.address), named.inode, named.device,
                       std::move(fd)});
  }
  fds.more = message.more;
  heard.aside = std::move(fds);
  if (message.more) return heard;
  heard.events.emplace_back(Owned{.generation = generation,
                                  .handoff_id = message.handoff_id,
                                  .sessions = message.sessions,
                                  .lost = message.lost,
                                  .lost_ids = std::move(message.lost_ids),
                                  .frozen_at_ns = message.frozen_at_ns,
                                  .running_at_ns = message.running_at_ns,
                                  .blackout = {message.blackout.p50_us, message.blackout.p99_us,
                                               message.blackout.p999_us, message.blackout.max_us},
                                  .donor_died = message.donor_died,
                                  .owned_at_ns = message.owned_at_ns,
                                  .kept = message.kept,
                                  .kept_ids = std::move(message.kept_ids)});
  return heard;
}

Heard from(protocol::Progress&& message, Generation generation, std::vector<UniqueFd>&) {
  return {{Progressed{generation, message.handoff_id, static_cast<CopyPhase>(message.phase),
                      message.at_ns, message.sessions_sent, message.sessions_total, message.bytes,
                      message.round}},
          {}};
}

Heard from(protocol::Failed&& message, Generation generation, std::vector<UniqueFd>&) {
  return {{HandoffFailed{generation, message.handoff_id, code_name(message.reason.code),
                         std::move(message.reason.text), message.reason.of_peer}},
          {}};
}

std::vector<Unmoved> unmoved(std::vector<protocol::Unmoved>&& all) {
  std::vector<Unmoved> out;
  out.reserve(all.size());
  for (protocol::Unmoved& one : all) {
    const bool by_new = one.fault == handoff::core::FaultOf::kNew;
    out.push_back({one.session, std::move(one.peer), by_new, std::move(one.reason)});
  }
  return out;
}

Heard from(protocol::Retired&& message, Generation generation, std::vector<UniqueFd>&) {
  return {{DonorRetired{generation, message.handoff_id, message.sessions, message.bytes,
                        message.lost, message.heir_died, message.at_ns, message.first_fd_at_ns,
                        std::move(message.lost_ids), std::move(message.left_out),
                        unmoved(std::move(message.unmoved)), message.closed}},
          {}};
}

Heard from(protocol::Late&& message, Generation generation, std::vector<UniqueFd>&) {
  return {{DonorLate{generation, message.handoff_id, message.waiting, message.moved, message.closed,
                     message.linked, message.at_ns, std::move(message.left_out),
                     unmoved(std::move(message.unmoved)), message.unmovable,
                     std::move(message.staying)}},
          {}};
}

Heard from(protocol::Status&& message, Generation generation, std::vector<UniqueFd>&) {
  Heard heard;
  if (message.leaving) {
    heard.events.emplace_back(Leaves{generation, std::move(message.leaving->why)});
  }
  heard.aside = SessionsCounted{message.query_id, message.sessions, message.errors,
                                std::move(message.processes), message.more};
  return heard;
}

Heard from(protocol::Health&& message, Generation generation, std::vector<UniqueFd>&) {
  std::string why;
  if (!message.healthy) {
    why = "the service says that it is not well";
    if (!message.reason.empty()) why += ": " + message.reason;
  }
  return {{HealthHeard{generation, message.healthy, std::move(why)}}, {}};
}

Heard from(protocol::Rehearsed&& message, Generation generation, std::vector<UniqueFd>&) {
  Heard heard;
  heard.events.emplace_back(Rehearsed{generation, message.handoff_id, message.complete});
  heard.aside = std::move(message);
  return heard;
}

template <class Message>
Result<Heard> take(std::string_view body, Generation generation, std::vector<UniqueFd>& fds) {
  auto message = protocol::decode<Message>(body, make_printable);
  if (!message) return fail(-EPROTO, "a " + message.error().message);
  return from(std::move(*message), generation, fds);
}

std::uint64_t us(Duration duration) { return static_cast<std::uint64_t>(to_us(duration)); }
std::uint64_t us(Time time) { return us(time.time_since_epoch()); }

protocol::Handoff handoff(const HandoffEnd& end) {
  return {.id = end.id,
          .channel_index = end.channel_index,
          .peer_index = end.peer_index,
          .peer_pid = end.peer_pid,
          .stall_us = us(end.timeouts.stall),
          .budget_us = us(end.timeouts.freeze_budget),
          .rehearsal = end.rehearsal,
          .drain_incompatible = end.drain_incompatible,
          .spread = end.spread,
          .donor_kept = end.donor_kept};
}

// Start frames as they fill up.
class Starting {
 public:
  // Leaves room for an heir's two, for the mailbox and for a vault's two, in every frame.
  std::size_t most_fds() const { return protocol::kMaxFds - 3 - start_.vault_fds.size(); }
  // Each is of a name, an address and numbers: 400 of the longest fill half a frame.
  static constexpr std::size_t kMostNamed = 400;

  explicit Starting(const StartOf& start) : start_(start) {
    out_ = {.protocol_min = protocol::kVersionMin,
            .protocol_max = protocol::kVersionMax,
            .service = start.service,
            .generation = start.generation,
            .report_path = start.report_path};
    fds_ = start.heir_fds;
    if (start.heir) {
      out_.heir = true;
      out_.handoff = handoff(*start.heir);
    }
  }
  void add(std::vector<protocol::Named> protocol::Start::*list, const std::vector<Passed>& all) {
    for (const Passed& one : all) {
      if (fds_.size() == most_fds() || named_ == kMostNamed) next();
      const NamedFd& named = one.named;
      const bool passes = list != &protocol::Start::offered;
      const auto index = static_cast<std::uint32_t>(passes ? fds_.size() : 0);
      (out_.*list).push_back({named.name, named.address, named.inode, named.device, index});
      if (passes) fds_.push_back(one.fd);
      ++named_;
    }
  }
  std::vector<StartFrame> end() {
    close();
    return std::move(frames_);
  }

 private:
  void next() {
    out_.more = true;
    close();
    out_ = {};
    fds_.clear();
    named_ = 0;
  }
  void close() {
    if (frames_.empty() && start_.mailbox >= 0) {
      fds_.push_back(start_.mailbox);
      out_.mailbox = static_cast<std::uint32_t>(fds_.size());
    }
    if (frames_.empty() && !start_.vault_fds.empty()) {
      fds_.insert(fds_.end(), start_.vault_fds.begin(), start_.vault_fds.end());
      out_.vault = true;
    }
    frames_.push_back({encode(out_), fds_});
  }

  const StartOf& start_;
  protocol::Start out_;
  std::vector<int> fds_;
  std::size_t named_ = 0;
  std::vector<StartFrame> frames_;
};

}  // namespace

Result<Heard> decode(protocol::Type type, std::string_view body, Generation generation,
                     std::vector<UniqueFd> fds) {
  switch (type) {
    case protocol::Type::kRegister:
      return take<protocol::Register>(body, generation, fds);
    case protocol::Type::kOwner:
      return take<protocol::Owner>(body, generation, fds);
    case protocol::Type::kProgress:
      return take<protocol::Progress>(body, generation, fds);
    case protocol::Type::kFailed:
      return take<protocol::Failed>(body, generation, fds);
    case protocol::Type::kRetired:
      return take<protocol::Retired>(body, generation, fds);
    case protocol::Type::kLate:
      return take<protocol::Late>(body, generation, fds);
    case protocol::Type::kStatus:
      return take<protocol::Status>(body, generation, fds);
    case protocol::Type::kHealth:
      return take<protocol::Health>(body, generation, fds);
    case protocol::Type::kRehearsed:
      return take<protocol::Rehearsed>(body, generation, fds);
    default:
      return fail(-EPROTO, "a " + protocol::type_name(type) + ", which no service sends");
  }
}

Result<Introduction> introduction_in(std::string_view frame) {
  const auto header = protocol::decode_header(frame, 0);
  if (!header) return Failure(header.error());
  if (header->type != protocol::Type::kRegister) {
    return fail(-EPROTO,
                "its first message is a " + protocol::type_name(header->type) + ", not a Register");
  }
  auto said =
      protocol::decode<protocol::Register>(frame.substr(protocol::kHeaderSize), make_printable);
  if (!said) return Failure(said.error());
  return Introduction{std::move(said->manifest.service), std::move(said->manifest.release),
                      said->generation};
}

std::vector<StartFrame> start_frames(const StartOf& start, const StartListeners& listeners) {
  Starting out(start);
  out.add(&protocol::Start::listeners, listeners.listeners);
  out.add(&protocol::Start::kept, listeners.kept);
  out.add(&protocol::Start::moved, listeners.moved);
  out.add(&protocol::Start::before, listeners.before);
  out.add(&protocol::Start::offered, listeners.offered);
  return out.end();
}

std::string encode_donate(Generation heir, const HandoffEnd& end) {
  protocol::Donate out{handoff(end), heir};
  if (end.claims && end.may != core::MayLeaveOut{}) {
    out.claims = end.claims;
    out.may = end.may;
  }
  out.unmovable = end.unmovable;
  return encode(out);
}

std::string encode_stop(Time deadline) { return encode(protocol::Stop{us(deadline)}); }

std::string encode_drain(Time deadline, LateSessions policy) {
  return encode(protocol::Drain{us(deadline), static_cast<protocol::LatePolicy>(policy)});
}

std::string encode_spread(std::uint32_t permille) { return encode(protocol::Spread{permille}); }

std::string encode_relink(Generation other, Duration budget) {
  return encode(protocol::Relink{other, us(budget)});
}

std::string encode_query(std::uint64_t id, bool processes) {
  return encode(protocol::Query{id, processes});
}

std::string encode_cancel(std::uint64_t handoff_id, const std::string& reason) {
  return encode(protocol::Cancel{handoff_id, reason});
}

}  // namespace handoff::supervisor
