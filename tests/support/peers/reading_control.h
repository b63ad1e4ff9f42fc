// The part of reading.cc for the control socket: orders and reports, and the manifests in them,
// copied into messages of libprotobuf.
#pragma once

#include "handoff.pb.h"
#include "libhandoff/protocol/messages.h"

namespace handoff::test {

inline void copy(const protocol::Named& from, v1::Named& to) {
  to.set_name(from.name);
  to.set_address(from.address);
  to.set_inode(from.inode);
  to.set_device(from.device);
  to.set_fd_index(from.fd_index);
}

inline void copy(const protocol::Kind& from, v1::Kind& to) {
  to.set_name(from.name);
  to.set_section(from.section);
  to.set_region(from.region);
  to.set_listener(from.listener);
  to.set_version(from.version);
  for (const std::uint32_t version : from.reads) to.add_reads(version);
  for (const std::uint32_t version : from.writes) to.add_writes(version);
}

inline void copy(const protocol::Manifest& from, v1::Manifest& to) {
  to.set_service(from.service);
  to.set_release(from.release);
  for (const auto& kind : from.kinds) copy(kind, *to.add_kinds());
  for (const auto& named : from.named) copy(named, *to.add_named());
  to.set_knows_listeners(from.knows_listeners);
}

inline void copy(const protocol::Handoff& from, v1::Handoff& to) {
  to.set_id(from.id);
  to.set_channel_index(from.channel_index);
  to.set_peer_index(from.peer_index);
  to.set_peer_pid(from.peer_pid);
  to.set_stall_us(from.stall_us);
  to.set_budget_us(from.budget_us);
  to.set_rehearsal(from.rehearsal);
  to.set_drain_incompatible(from.drain_incompatible);
  to.set_spread(from.spread);
  to.set_donor_kept(from.donor_kept);
}

inline void copy(const protocol::Start& from, v1::Start& to) {
  to.set_protocol_min(from.protocol_min);
  to.set_protocol_max(from.protocol_max);
  to.set_service(from.service);
  to.set_generation(from.generation);
  to.set_heir(from.heir);
  for (const auto& listener : from.listeners) copy(listener, *to.add_listeners());
  if (from.handoff) copy(*from.handoff, *to.mutable_handoff());
  to.set_report_path(from.report_path);
  to.set_mailbox(from.mailbox);
  to.set_vault(from.vault);
  for (const auto& listener : from.kept) copy(listener, *to.add_kept());
  for (const auto& listener : from.moved) copy(listener, *to.add_moved());
  for (const auto& listener : from.before) copy(listener, *to.add_before());
  for (const auto& listener : from.offered) copy(listener, *to.add_offered());
  to.set_more(from.more);
}

inline void copy(const protocol::MayLeaveOut& from, v1::MayLeaveOut& to) {
  to.set_listeners(from.listeners);
  to.set_sections(from.sections);
  to.set_sessions(from.sessions);
}

inline void copy(const protocol::LeftOut& from, v1::LeftOut& to) {
  to.set_sort(static_cast<v1::Sort>(from.sort));
  to.set_name(from.name);
  to.set_sessions(from.sessions);
}

inline void copy(const protocol::Donate& from, v1::Donate& to) {
  copy(from.handoff, *to.mutable_handoff());
  to.set_heir_generation(from.heir_generation);
  if (from.claims) copy(*from.claims, *to.mutable_claims());
  if (from.may) copy(*from.may, *to.mutable_may());
  to.set_unmovable(static_cast<v1::Unmovable>(from.unmovable));
}

inline void copy(const protocol::Stop& from, v1::Stop& to) { to.set_deadline_us(from.deadline_us); }

inline void copy(const protocol::Query& from, v1::Query& to) {
  to.set_id(from.id);
  to.set_processes(from.processes);
}

inline void copy(const protocol::SessionProcess& from, v1::SessionProcess& to) {
  to.set_pid(from.pid);
  to.set_started(from.started);
}

inline void copy(const protocol::Cancel& from, v1::Cancel& to) {
  to.set_handoff_id(from.handoff_id);
  to.set_reason(from.reason);
}

inline void copy(const protocol::Drain& from, v1::Drain& to) {
  to.set_deadline_us(from.deadline_us);
  to.set_policy(static_cast<v1::LatePolicy>(from.policy));
}

inline void copy(const protocol::Relink& from, v1::Relink& to) {
  to.set_other(from.other);
  to.set_budget_us(from.budget_us);
}

inline void copy(const protocol::Spread& from, v1::Spread& to) { to.set_permille(from.permille); }

inline void copy(const protocol::GivenBack& from, v1::GivenBack& to) {
  to.set_name(from.name);
  to.set_drop(from.drop);
}

inline void copy(const protocol::Register& from, v1::Register& to) {
  to.set_protocol_min(from.protocol_min);
  to.set_protocol_max(from.protocol_max);
  to.set_generation(from.generation);
  copy(from.manifest, *to.mutable_manifest());
  to.set_returning(from.returning);
  to.set_state(from.state);
  to.set_handoff_id(from.handoff_id);
  to.set_rehearsal(from.rehearsal);
  for (const auto& one : from.given_back) copy(one, *to.add_given_back());
  if (!from.vault) return;
  to.mutable_vault()->set_keeper_pid(from.vault->keeper_pid);
  to.mutable_vault()->set_refused(from.vault->refused);
}

inline void copy(const protocol::Owner& from, v1::Owner& to) {
  to.set_generation(from.generation);
  to.set_handoff_id(from.handoff_id);
  for (const auto& named : from.named) copy(named, *to.add_named());
  to.set_sessions(from.sessions);
  to.set_lost(from.lost);
  for (const std::uint64_t id : from.lost_ids) to.add_lost_ids(id);
  to.set_frozen_at_ns(from.frozen_at_ns);
  to.set_running_at_ns(from.running_at_ns);
  to.set_owned_at_ns(from.owned_at_ns);
  to.mutable_blackout()->set_p50_us(from.blackout.p50_us);
  to.mutable_blackout()->set_p99_us(from.blackout.p99_us);
  to.mutable_blackout()->set_p999_us(from.blackout.p999_us);
  to.mutable_blackout()->set_max_us(from.blackout.max_us);
  to.set_donor_died(from.donor_died);
  to.set_with_fds(from.with_fds);
  to.set_more(from.more);
  to.set_kept(from.kept);
  for (const std::uint64_t id : from.kept_ids) to.add_kept_ids(id);
}

inline void copy(const protocol::Progress& from, v1::Progress& to) {
  to.set_handoff_id(from.handoff_id);
  to.set_phase(static_cast<v1::Phase>(from.phase));
  to.set_at_ns(from.at_ns);
  to.set_sessions_sent(from.sessions_sent);
  to.set_sessions_total(from.sessions_total);
  to.set_bytes(from.bytes);
  to.set_round(from.round);
}

inline void copy(const protocol::Failed& from, v1::Failed& to) {
  to.set_handoff_id(from.handoff_id);
  to.set_code(static_cast<v1::Code>(from.reason.code));
  to.set_reason(from.reason.text);
  to.set_at_ns(from.at_ns);
  to.set_of_peer(from.reason.of_peer);
}

inline void copy(const protocol::Unmoved& from, v1::Unmoved& to) {
  to.set_session(from.session);
  to.set_peer(from.peer);
  to.set_fault(static_cast<v1::FaultOf>(from.fault));
  to.set_reason(from.reason);
}

inline void copy(const protocol::Retired& from, v1::Retired& to) {
  to.set_handoff_id(from.handoff_id);
  to.set_at_ns(from.at_ns);
  to.set_sessions(from.sessions);
  to.set_bytes(from.bytes);
  to.set_frozen_at_ns(from.frozen_at_ns);
  to.set_lost(from.lost);
  to.set_heir_died(from.heir_died);
  to.set_first_fd_at_ns(from.first_fd_at_ns);
  for (const std::uint64_t id : from.lost_ids) to.add_lost_ids(id);
  for (const auto& one : from.left_out) copy(one, *to.add_left_out());
  for (const auto& one : from.unmoved) copy(one, *to.add_unmoved());
  to.set_closed(from.closed);
}

inline void copy(const protocol::Leaving& from, v1::Leaving& to) { to.set_why(from.why); }

inline void copy(const protocol::Status& from, v1::Status& to) {
  to.set_query_id(from.query_id);
  to.set_sessions(from.sessions);
  to.set_state(from.state);
  to.set_errors(from.errors);
  for (const auto& process : from.processes) copy(process, *to.add_processes());
  to.set_more(from.more);
  if (from.leaving) copy(*from.leaving, *to.mutable_leaving());
}

inline void copy(const protocol::Health& from, v1::Health& to) {
  to.set_healthy(from.healthy);
  to.set_reason(from.reason);
}

inline void copy(const core::Staying& from, v1::Staying& to) {
  to.set_why(from.why);
  to.set_sessions(from.sessions);
}

inline void copy(const protocol::Late& from, v1::Late& to) {
  to.set_handoff_id(from.handoff_id);
  to.set_waiting(from.waiting);
  to.set_moved(from.moved);
  to.set_at_ns(from.at_ns);
  to.set_linked(from.linked);
  to.set_closed(from.closed);
  for (const auto& one : from.left_out) copy(one, *to.add_left_out());
  for (const auto& one : from.unmoved) copy(one, *to.add_unmoved());
  to.set_unmovable(from.unmovable);
  for (const auto& one : from.staying) copy(one, *to.add_staying());
}

inline void copy(const protocol::Finding& from, v1::Finding& to) {
  to.set_session(from.session);
  to.set_what(from.what);
  to.set_reason(from.reason);
  to.set_peer(from.peer);
}

inline void copy(const protocol::Amount& from, v1::Amount& to) {
  to.set_name(from.name);
  to.set_section(from.section);
  to.set_count(from.count);
  to.set_bytes(from.bytes);
  to.set_region(from.region);
}

inline void copy(const protocol::Rehearsed& from, v1::Rehearsed& to) {
  to.set_handoff_id(from.handoff_id);
  to.set_complete(from.complete);
  if (from.from) copy(*from.from, *to.mutable_from());
  if (from.to) copy(*from.to, *to.mutable_to());
  to.set_sessions(from.sessions);
  to.set_passed(from.passed);
  to.set_refused(from.refused);
  to.set_busy(from.busy);
  for (const auto& finding : from.findings) copy(finding, *to.add_findings());
  for (const auto& amount : from.amounts) copy(amount, *to.add_amounts());
  to.set_spent_ns(from.spent_ns);
  to.set_finish_ns(from.finish_ns);
  to.set_unsettled(from.unsettled);
  to.set_early(from.early);
  to.set_rss(from.rss);
  to.set_pss(from.pss);
  to.set_round_trip_ns(from.round_trip_ns);
  to.set_typical_ns(from.typical_ns);
  to.set_sections_ns(from.sections_ns);
  to.set_sections_unsettled(from.sections_unsettled);
  for (const auto& one : from.left_out) copy(one, *to.add_left_out());
  to.set_unmovable(static_cast<v1::Unmovable>(from.unmovable));
  to.set_not_late(from.not_late);
  to.set_too_large(from.too_large);
  for (const auto& one : from.staying) copy(one, *to.add_staying());
  to.set_untried(from.untried);
}

}  // namespace handoff::test
