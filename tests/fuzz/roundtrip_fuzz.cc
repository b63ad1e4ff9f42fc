// Each side of the control socket reads what the other writes, whatever the values: a service's
// reports, and the supervisor's orders. libprotobuf reads the same values in both.
#include <string>
#include <vector>

#include "any_values.h"
#include "check.h"
#include "differential.h"
#include "libhandoff/protocol/limits.h"
#include "libhandoff/protocol/messages.h"
#include "supervisor/processes/service_messages.h"

namespace handoff {
namespace {

using fuzz::any_address;
using fuzz::any_manifest;
using fuzz::any_name;
using fuzz::any_named;
using fuzz::In;
using fuzz::number;
using protocol::Type;

// ---- a service reports -------------------------------------------------------------------------

constexpr supervisor::Generation kSender = 9;

supervisor::Heard heard(Type type, const std::string& body) {
  CHECK_THAT(body.size() <= protocol::kMaxBody, protocol::type_name(type));
  fuzz::compare_readers(type, body);
  auto out = supervisor::decode(type, body, kSender);
  CHECK_THAT(out, "the supervisor refuses it: " + out.error().message);
  return std::move(*out);
}

template <class Event>
Event only_event(const supervisor::Heard& heard) {
  CHECK_THAT(heard.events.size() == 1, "");
  return std::get<Event>(heard.events.front());
}

void report_register(In& in) {
  protocol::Register m{1, 1, number(in), any_manifest(in)};
  m.returning = in.ConsumeBool();
  m.state = in.ConsumeIntegralInRange<std::uint32_t>(0, 6);
  m.handoff_id = number(in);
  m.rehearsal = in.ConsumeBool();
  const auto all = heard(Type::kRegister, encode(m));
  const auto registered = only_event<supervisor::Registered>(all);
  CHECK_THAT(registered.returning == m.returning, "");
  CHECK_THAT(registered.handoff_id == (m.returning ? m.handoff_id : 0), "");
  CHECK_THAT(registered.rehearsal == m.rehearsal, "");
  const auto& named = std::get<supervisor::ReleaseNamed>(all.aside);
  CHECK_THAT(named.service == m.manifest.service && named.release == m.manifest.release, "");
}

void report_owner(In& in) {
  protocol::Owner m;
  m.generation = number(in);
  m.handoff_id = number(in);
  m.named = any_named(in);
  m.sessions = number(in);
  m.lost = number(in);
  for (auto n = in.ConsumeIntegralInRange(0, 100); n > 0; --n) m.lost_ids.push_back(number(in));
  m.frozen_at_ns = number(in);
  m.running_at_ns = number(in);
  m.blackout = {number(in), number(in), number(in), number(in)};
  m.donor_died = in.ConsumeBool();
  m.with_fds = in.ConsumeBool();  // and none come with it
  m.kept = number(in);
  for (auto n = in.ConsumeIntegralInRange(0, 100); n > 0; --n) m.kept_ids.push_back(number(in));
  const auto all = heard(Type::kOwner, encode(m));
  const auto owned = only_event<supervisor::Owned>(all);
  CHECK_THAT(owned.handoff_id == m.handoff_id && owned.sessions == m.sessions, "");
  CHECK_THAT(owned.lost == m.lost && owned.lost_ids == m.lost_ids, "");
  CHECK_THAT(owned.frozen_at_ns == m.frozen_at_ns && owned.running_at_ns == m.running_at_ns, "");
  CHECK_THAT(owned.blackout.p50_us == m.blackout.p50_us, "");
  CHECK_THAT(owned.blackout.p99_us == m.blackout.p99_us, "");
  CHECK_THAT(owned.blackout.p999_us == m.blackout.p999_us, "");
  CHECK_THAT(owned.blackout.max_us == m.blackout.max_us, "");
  CHECK_THAT(owned.donor_died == m.donor_died, "");
  CHECK_THAT(owned.kept == m.kept && owned.kept_ids == m.kept_ids, "");
  const auto& fds = std::get<supervisor::FdsNamed>(all.aside).fds;
  CHECK_THAT(fds.size() == m.named.size(), "");
  for (std::size_t i = 0; i < fds.size(); ++i) {
    CHECK_THAT(fds[i].name == m.named[i].name && fds[i].inode == m.named[i].inode, "");
    CHECK_THAT(fds[i].device == m.named[i].device, "");
  }
}

void report_progress(In& in) {
  const protocol::Progress m{number(in),
                             static_cast<protocol::Phase>(in.ConsumeIntegralInRange(0, 3)),
                             number(in),
                             number(in),
                             number(in),
                             number(in),
                             in.ConsumeIntegral<std::uint32_t>()};
  const auto event = only_event<supervisor::Progressed>(heard(Type::kProgress, encode(m)));
  CHECK_THAT(event.handoff_id == m.handoff_id && event.at_ns == m.at_ns, "");
  CHECK_THAT(static_cast<int>(event.phase) == static_cast<int>(m.phase), "");
  CHECK_THAT(event.sessions_sent == m.sessions_sent, "");
  CHECK_THAT(event.sessions_total == m.sessions_total, "");
  CHECK_THAT(event.bytes == m.bytes && event.round == m.round, "");
}

void report_failed(In& in) {
  const protocol::Failed m{
      number(in),
      {static_cast<core::Code>(in.ConsumeIntegralInRange(0, 10)),
       in.ConsumeRandomLengthString(2 * protocol::kMaxReason)},  // what user code threw, say
      number(in)};
  const auto event = only_event<supervisor::HandoffFailed>(heard(Type::kFailed, encode(m)));
  CHECK_THAT(event.handoff_id == m.handoff_id, "");
  CHECK_THAT(event.reason.empty() == m.reason.text.empty(), "");
}

std::vector<protocol::LeftOut> any_left_out(In& in) {
  std::vector<protocol::LeftOut> out;
  for (auto n = in.ConsumeIntegralInRange(0, 6); n > 0; --n) {
    out.push_back(
        {static_cast<core::Sort>(in.ConsumeIntegralInRange(0, 4)), any_name(in), number(in)});
  }
  return out;
}

std::vector<protocol::Unmoved> any_unmoved(In& in) {
  std::vector<protocol::Unmoved> out;
  for (auto n = in.ConsumeIntegralInRange(0, 4); n > 0; --n) {
    out.push_back({number(in), any_name(in),
                   in.ConsumeBool() ? core::FaultOf::kNew : core::FaultOf::kOld,
                   in.ConsumeRandomLengthString(2000)});
  }
  return out;
}

void check_unmoved(const std::vector<supervisor::Unmoved>& read,
                   const std::vector<protocol::Unmoved>& said) {
  CHECK_THAT(read.size() == said.size(), "");
  for (std::size_t i = 0; i < read.size(); ++i) {
    CHECK_THAT(read[i].session == said[i].session && read[i].peer == said[i].peer, "");
    CHECK_THAT(read[i].by_new == (said[i].fault == core::FaultOf::kNew), "");
    CHECK_THAT(read[i].reason.empty() == said[i].reason.empty(), "");
  }
}

void report_retired(In& in) {
  protocol::Retired m{number(in), number(in), number(in),      number(in),
                      number(in), number(in), in.ConsumeBool()};
  m.left_out = any_left_out(in);
  m.unmoved = any_unmoved(in);
  m.closed = number(in);
  const auto event = only_event<supervisor::DonorRetired>(heard(Type::kRetired, encode(m)));
  CHECK_THAT(event.left_out == m.left_out, "");
  CHECK_THAT(event.handoff_id == m.handoff_id && event.at_ns == m.at_ns, "");
  CHECK_THAT(event.sessions == m.sessions && event.bytes == m.bytes, "");
  CHECK_THAT(event.lost == m.lost && event.heir_died == m.heir_died, "");
  CHECK_THAT(event.closed == m.closed, "");
  check_unmoved(event.unmoved, m.unmoved);
}

void report_late(In& in) {
  protocol::Late m{number(in), number(in), number(in), number(in), in.ConsumeBool(), number(in)};
  m.left_out = any_left_out(in);
  m.unmoved = any_unmoved(in);
  m.unmovable = number(in);
  const auto late = only_event<supervisor::DonorLate>(heard(Type::kLate, encode(m)));
  CHECK_THAT(late.left_out == m.left_out, "");
  CHECK_THAT(late.handoff_id == m.handoff_id && late.at_ns == m.at_ns, "");
  CHECK_THAT(late.waiting == m.waiting && late.moved == m.moved, "");
  CHECK_THAT(late.closed == m.closed && late.linked == m.linked, "");
  CHECK_THAT(late.unmovable == m.unmovable, "");
  check_unmoved(late.unmoved, m.unmoved);
}

void report_status(In& in) {
  const protocol::Status m{number(in), number(in), in.ConsumeIntegral<std::uint32_t>(), number(in)};
  const auto counted = std::get<supervisor::SessionsCounted>(heard(Type::kStatus, encode(m)).aside);
  CHECK_THAT(counted.query_id == m.query_id && counted.sessions == m.sessions &&
                 counted.errors == m.errors,
             "");
}

void report_health(In& in) {
  const protocol::Health m{in.ConsumeBool(),
                           in.ConsumeRandomLengthString(2 * protocol::kMaxReason)};
  const auto event = only_event<supervisor::HealthHeard>(heard(Type::kHealth, encode(m)));
  CHECK_THAT(event.healthy == m.healthy, "");
  CHECK_THAT(event.why.empty() == m.healthy, "");
}

void report_rehearsed(In& in) {
  protocol::Rehearsed m{.handoff_id = number(in), .complete = in.ConsumeBool()};
  if (in.ConsumeBool()) m.from = any_manifest(in);
  if (in.ConsumeBool()) m.to = any_manifest(in);
  m.sessions = number(in);
  m.passed = number(in);
  m.refused = number(in);
  m.busy = number(in);
  for (auto n = in.ConsumeIntegralInRange(0, 12); n > 0; --n) {
    m.findings.push_back(
        {number(in), any_name(in), in.ConsumeRandomLengthString(2000), any_name(in)});
  }
  for (auto n = in.ConsumeIntegralInRange(0, 4); n > 0; --n) {
    m.amounts.push_back({any_name(in), in.ConsumeBool(), number(in), number(in), in.ConsumeBool()});
  }
  for (auto* value : {&m.spent_ns, &m.finish_ns, &m.unsettled, &m.rss, &m.pss, &m.round_trip_ns,
                      &m.sections_ns, &m.typical_ns}) {
    *value = number(in);
  }
  m.early = in.ConsumeBool();
  m.sections_unsettled = in.ConsumeBool();
  m.left_out = any_left_out(in);
  m.unmovable = static_cast<core::Unmovable>(in.ConsumeIntegralInRange(0, 2));
  m.not_late = any_name(in);
  m.too_large = number(in);
  const auto all = heard(Type::kRehearsed, encode(m));
  const auto event = only_event<supervisor::Rehearsed>(all);
  CHECK_THAT(event.handoff_id == m.handoff_id && event.complete == m.complete, "");
  const auto& read = std::get<protocol::Rehearsed>(all.aside);
  CHECK_THAT(read.from.has_value() == m.from.has_value(), "");
  CHECK_THAT(!m.to || read.to->kinds.size() == m.to->kinds.size(), "");
  CHECK_THAT(!m.to || read.to->named.size() == m.to->named.size(), "");
  CHECK_THAT(read.sessions == m.sessions && read.passed == m.passed, "");
  CHECK_THAT(read.refused == m.refused && read.busy == m.busy, "");
  CHECK_THAT(read.findings.size() == m.findings.size(), "");
  for (std::size_t i = 0; i < m.findings.size(); ++i) {
    CHECK_THAT(read.findings[i].peer == m.findings[i].peer, "");
  }
  CHECK_THAT(read.unmovable == m.unmovable && read.too_large == m.too_large, "");
  CHECK_THAT(read.not_late == m.not_late, "");
  CHECK_THAT(read.amounts.size() == m.amounts.size(), "");
  for (std::size_t i = 0; i < m.amounts.size(); ++i) {
    CHECK_THAT(read.amounts[i].region == m.amounts[i].region, "");
  }
  for (std::size_t i = 0; m.to && i < m.to->kinds.size(); ++i) {
    CHECK_THAT(read.to->kinds[i].region == m.to->kinds[i].region, "");
    CHECK_THAT(read.to->kinds[i].listener == m.to->kinds[i].listener, "");
  }
  CHECK_THAT(read.spent_ns == m.spent_ns && read.finish_ns == m.finish_ns, "");
  CHECK_THAT(read.unsettled == m.unsettled && read.early == m.early, "");
  CHECK_THAT(read.rss == m.rss && read.pss == m.pss, "");
  CHECK_THAT(read.round_trip_ns == m.round_trip_ns && read.typical_ns == m.typical_ns, "");
  CHECK_THAT(read.sections_ns == m.sections_ns, "");
  CHECK_THAT(read.sections_unsettled == m.sections_unsettled, "");
  CHECK_THAT(read.left_out == m.left_out, "");
}

// ---- the supervisor orders ---------------------------------------------------------------------

template <class Message>
Message read(Type type, const std::string& body) {
  CHECK_THAT(body.size() <= protocol::kMaxBody, protocol::type_name(type));
  fuzz::compare_readers(type, body);
  auto out = protocol::decode<Message>(body);
  CHECK_THAT(out, "a service refuses it: " + out.error().message);
  return std::move(*out);
}

supervisor::Duration any_timeout(In& in) {
  return std::chrono::microseconds(in.ConsumeIntegralInRange<std::int64_t>(0, 86'400'000'000));
}

supervisor::HandoffEnd any_end(In& in) {
  supervisor::HandoffEnd end{.id = number(in),
                             .channel_index = in.ConsumeIntegral<std::uint32_t>(),
                             .peer_index = in.ConsumeIntegral<std::uint32_t>(),
                             .peer_pid = in.ConsumeIntegral<std::uint32_t>(),
                             .timeouts = {}};
  end.timeouts.stall = any_timeout(in);
  end.timeouts.freeze_budget = any_timeout(in);
  end.rehearsal = in.ConsumeBool();
  end.drain_incompatible = in.ConsumeBool();
  end.spread = in.ConsumeIntegralInRange<std::uint32_t>(0, 1000);
  if (in.ConsumeBool()) end.claims = any_manifest(in);
  end.may = {in.ConsumeBool(), in.ConsumeBool(), in.ConsumeBool()};
  end.unmovable = static_cast<core::Unmovable>(in.ConsumeIntegralInRange(0, 2));
  return end;
}

void check_end(const protocol::Handoff& read, const supervisor::HandoffEnd& end) {
  CHECK_THAT(read.drain_incompatible == end.drain_incompatible, "");
  CHECK_THAT(read.spread == end.spread, "");
  CHECK_THAT(read.id == end.id && read.peer_pid == end.peer_pid, "");
  CHECK_THAT(read.channel_index == end.channel_index && read.peer_index == end.peer_index, "");
  CHECK_THAT(read.rehearsal == end.rehearsal, "");
  CHECK_THAT(read.stall_us == static_cast<std::uint64_t>(supervisor::to_us(end.timeouts.stall)),
             "");
  CHECK_THAT(
      read.budget_us == static_cast<std::uint64_t>(supervisor::to_us(end.timeouts.freeze_budget)),
      "");
}

void order_start(In& in) {
  const std::string service = any_name(in);
  const auto generation = number(in);
  std::vector<supervisor::NamedFd> listeners;
  for (auto n = in.ConsumeIntegralInRange(0, 8); n > 0; --n) {
    listeners.push_back({any_name(in), any_address(in), number(in), number(in)});
  }
  std::vector<supervisor::NamedFd> kept;
  for (auto n = in.ConsumeIntegralInRange(0, 3); n > 0; --n) {
    kept.push_back({any_name(in), any_address(in), number(in), number(in)});
  }
  const std::string report_path = in.ConsumeRandomLengthString(300);
  const auto passed = [](const std::vector<supervisor::NamedFd>& all) {
    std::vector<supervisor::Passed> out;
    for (const auto& one : all) out.push_back({{one.name, one.address, one.inode, one.device}, 0});
    return out;
  };
  const auto frames = supervisor::start_frames(
      {.service = service, .generation = generation, .report_path = report_path, .mailbox = 0},
      {.listeners = passed(listeners), .kept = passed(kept)});
  CHECK_THAT(frames.size() == 1, "");
  const auto start = read<protocol::Start>(Type::kStart, frames.front().body);
  CHECK_THAT(start.mailbox == listeners.size() + kept.size() + 1, "");
  CHECK_THAT(start.kept.size() == kept.size(), "");
  for (std::size_t i = 0; i < kept.size(); ++i) {
    CHECK_THAT(start.kept[i].name == kept[i].name, "");
    CHECK_THAT(start.kept[i].fd_index == listeners.size() + i, "");
  }
  CHECK_THAT(start.report_path == report_path, "");
  CHECK_THAT(start.service == service && start.generation == generation && !start.heir, "");
  CHECK_THAT(start.listeners.size() == listeners.size() && !start.handoff, "");
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    CHECK_THAT(start.listeners[i].name == listeners[i].name, "");
    CHECK_THAT(start.listeners[i].address == listeners[i].address, "");
    CHECK_THAT(start.listeners[i].inode == listeners[i].inode, "");
    CHECK_THAT(start.listeners[i].device == listeners[i].device, "");
    CHECK_THAT(start.listeners[i].fd_index == i, "");
  }
}

void order_start_heir(In& in) {
  const auto end = any_end(in);
  const auto frames = supervisor::start_frames(
      {.service = "chat", .generation = 7, .report_path = "", .heir = end, .heir_fds = {0, 0}}, {});
  const auto start = read<protocol::Start>(Type::kStart, frames.front().body);
  CHECK_THAT(start.heir && start.generation == 7 && start.handoff, "");
  check_end(*start.handoff, end);
}

void order_donate(In& in) {
  const auto end = any_end(in);
  const auto heir = number(in);
  const auto donate = read<protocol::Donate>(Type::kDonate, supervisor::encode_donate(heir, end));
  CHECK_THAT(donate.heir_generation == heir && donate.unmovable == end.unmovable, "");
  const bool says = end.claims && end.may != core::MayLeaveOut{};
  CHECK_THAT(donate.claims.has_value() == says && donate.may.has_value() == says, "");
  if (says) {
    CHECK_THAT(*donate.may == end.may, "");
    CHECK_THAT(donate.claims->kinds.size() == end.claims->kinds.size(), "");
    CHECK_THAT(donate.claims->named.size() == end.claims->named.size(), "");
  }
  check_end(donate.handoff, end);
}

void order_others(In& in) {
  const auto us = in.ConsumeIntegralInRange<std::int64_t>(0, INT64_MAX / 1000);
  const auto stop = read<protocol::Stop>(
      Type::kStop, supervisor::encode_stop(supervisor::Time(std::chrono::microseconds(us))));
  CHECK_THAT(stop.deadline_us == static_cast<std::uint64_t>(us), "");
  const auto policy = static_cast<supervisor::LateSessions>(in.ConsumeIntegralInRange(0, 2));
  const auto drain = read<protocol::Drain>(
      Type::kDrain,
      supervisor::encode_drain(supervisor::Time(std::chrono::microseconds(us)), policy));
  CHECK_THAT(drain.deadline_us == static_cast<std::uint64_t>(us), "");
  CHECK_THAT(static_cast<int>(drain.policy) == static_cast<int>(policy), "");
  const auto permille = in.ConsumeIntegralInRange<std::uint32_t>(0, 1000);
  CHECK_THAT(read<protocol::Spread>(Type::kSpread, supervisor::encode_spread(permille)).permille ==
                 permille,
             "");
  const auto other = number(in);
  const auto relink = read<protocol::Relink>(
      Type::kRelink, supervisor::encode_relink(other, std::chrono::microseconds(us % 1'000'000)));
  CHECK_THAT(relink.other == other, "");
  CHECK_THAT(relink.budget_us == static_cast<std::uint64_t>(us % 1'000'000), "");
  const auto id = number(in);
  CHECK_THAT(read<protocol::Query>(Type::kQuery, supervisor::encode_query(id)).id == id, "");
  const auto cancel =
      read<protocol::Cancel>(Type::kCancel, supervisor::encode_cancel(id, "given up"));
  CHECK_THAT(cancel.handoff_id == id && cancel.reason == "given up", "");
}

constexpr void (*kAll[])(In&) = {report_register, report_owner,     report_progress, report_failed,
                                 report_retired,  report_status,    report_health,   report_late,
                                 order_start,     order_start_heir, order_donate,    order_others,
                                 report_rehearsed};

}  // namespace
}  // namespace handoff

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  handoff::fuzz::be_quiet();
  return 0;
}

// The first byte says which message, the others are its values.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return -1;
  FuzzedDataProvider in(data + 1, size - 1);
  handoff::kAll[data[0] % std::size(handoff::kAll)](in);
  return 0;
}
