// The part of SessionReceiver that comes after the copy: the sessions become this process's own, or
// are counted, or let go.
#include <string>
#include <utility>
#include <vector>

#include "libhandoff/base/description.h"
#include "libhandoff/copy/session_receiver.h"
#include "libhandoff/copy/vault_record.h"
#include "libhandoff/sys/reason.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {

void SessionReceiver::restore_what_can_be() {
  for (auto it = arrived_.begin(); it != arrived_.end();) {
    const auto ok = restore_waiting(it->first, it->second);
    if (ok) {
      ++it;
      continue;
    }
    registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
    reset_session(it->second, arrived_.fds().of(it->first));
    it = lose(it);
    ++lost_;
  }
}

Result<bool> SessionReceiver::answered(const Told::Answer& answer) {
  const auto it = pending_.find(answer.session);
  if (it == pending_.end()) return false;
  if (answer.result >= 0) {
    if (--it->second == 0) pending_.erase(it);
    return true;
  }
  pending_.erase(it);
  SessionEntry& entry = arrived_.at(answer.session);
  failed_.insert(answer.session);
  const std::string why = answer.why.empty() ? description(answer.result) : answer.why;
  Result<void> failed =
      fail(is_shortage(answer.result) ? answer.result : HANDOFF_ERR_REJECTED,
           "restore() of " + registry_.describe(answer.session, entry) + " failed: " + why);
  auto ok = rehearsal_ != nullptr
                ? rehearse(answer.session, entry, peer_of(entry), std::move(failed))
                : refuse(answer.session, entry, failed);
  if (!ok) return Failure(ok.error());
  return true;
}

Result<void> SessionReceiver::give_up_pending() {
  std::vector<std::uint64_t> late;
  late.reserve(pending_.size());
  for (const auto& [id, times] : pending_) late.push_back(id);
  for (const std::uint64_t id : late) {
    const auto ok = answered({id, HANDOFF_ERR_REJECTED, "it has not ended in time"});
    if (!ok) return Failure(ok.error());
  }
  return {};
}

std::vector<std::uint64_t> SessionReceiver::ids() const {
  std::vector<std::uint64_t> out;
  out.reserve(arrived_.size());
  for (const auto& [id, entry] : arrived_) out.push_back(id);
  return out;
}

void SessionReceiver::count() {
  protocol::Rehearsed& notes = rehearsal_->notes;
  notes.amounts.clear();
  for (const DonorKind& kind : kinds_) {
    if (kind.region) {
      notes.amounts.push_back({registry_.regions[kind.ours].name(), false, 1, 0, true});
      continue;
    }
    const std::string& name =
        kind.section ? registry_.sections[kind.ours].name : registry_.kinds[kind.ours].name;
    notes.amounts.push_back({name, kind.section, 0, 0});
  }
  notes.sessions = arrived_.size();
  notes.typical_ns = rehearsal_->restoring.ns();
  notes.refused = 0;
  notes.passed = 0;
  for (const auto& [id, weighed] : weighed_) {
    protocol::Amount& amount = notes.amounts[weighed.donors_kind];
    ++amount.count;
    amount.bytes += weighed.bytes;
    if (weighed.refused) ++notes.refused;
    if (!weighed.refused && arrived_.at(id).given) ++notes.passed;
  }
}

bool SessionReceiver::unmoved(std::uint64_t id, const SessionEntry& entry) const {
  if (!entry.independent || !entry.counted || arrived_.has_own_fds(id, entry)) return false;
  const auto now = counters_of(entry.fd);
  return now && *now == entry.counters;
}

void SessionReceiver::keep_unmoved() {
  const std::uint64_t had = arrived_.size();
  for (auto it = arrived_.begin(); it != arrived_.end();) {
    auto& [id, entry] = *it;
    if (unmoved(id, entry)) {
      const auto ok = restore_waiting(id, entry);
      if (ok) {
        ++it;
        continue;
      }
      registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
    }
    // Its state is not that of its stream: a reset is honest, an answer would not be.
    reset_refused(id);
    reset_session(entry, arrived_.fds().of(id));
    if (lost_ids_.size() < kNamedLost) lost_ids_.push_back(id);
    it = lose(it);
  }
  lost_ = had - arrived_.size();
}

void SessionReceiver::adopt() {
  registry_.restoring.merge(pending_);
  pending_.clear();
  if (registry_.observer != nullptr) {  // a handoff is under way, and hears of them
    const std::vector<std::uint64_t> fresh = ids();
    registry_.sessions.take(arrived_);
    for (const std::uint64_t id : fresh) {
      registry_.observer->session_changed(id, registry_.sessions.at(id));
    }
  } else {
    registry_.sessions.take(arrived_);
  }
}

Sessions::iterator SessionReceiver::lose(Sessions::iterator it) {
  if (it->second.refused) --refused_here_;
  refused_sockets_.erase(it->first);
  drop(it->first, it->second);
  return arrived_.remove(it);
}

void SessionReceiver::drop(std::uint64_t id, const SessionEntry& entry) {
  if (entry.given && registry_.callbacks.drop != nullptr) {
    registry_.tell([&] { return "drop() of " + registry_.describe(id, entry.kind); },
                   [&] { registry_.callbacks.drop(registry_.callbacks_user, id); });
  }
  // What restore() did not take before it failed, drop() did not close: in a process that goes on
  // it would stay open.
  if (failed_.erase(id) > 0) {
    const auto identity = identity_of(entry.fd);
    if (identity && identity->inode == entry.inode) UniqueFd(entry.fd).reset();
  }
  drop_arrival(registry_, id);
  registry_.told.forget(id);
  pending_.erase(id);
  waiting_.erase(id);
  weighed_.erase(id);
  lengths_.erase(id);
}

void SessionReceiver::drop() {
  for (const auto& [id, entry] : arrived_) drop(id, entry);
  arrived_.clear();
  refused_sockets_.clear();
}

std::vector<protocol::Refusal> SessionReceiver::take_refused() {
  return std::exchange(refusals_, {});
}

void SessionReceiver::forget_refused(bool donor_gone) {
  if (donor_gone) {
    for (const auto& [id, sockets] : refused_sockets_) reset_refused(id);
  }
  refused_sockets_.clear();
  if (refused_here_ == 0) return;
  for (auto it = arrived_.begin(); it != arrived_.end();) {
    if (!it->second.refused) {
      ++it;
      continue;
    }
    registry_.processes.forget(it->first);
    it = arrived_.remove(it);
  }
  refused_here_ = 0;
}

}  // namespace handoff::io
