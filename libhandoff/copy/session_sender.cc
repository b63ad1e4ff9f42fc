#include "libhandoff/copy/session_sender.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "libhandoff/core/spread.h"
#include "libhandoff/protocol/limits.h"
#include "libhandoff/service/nonblocking.h"
#include "libhandoff/sys/process.h"

namespace handoff::io {

using protocol::Type;

void SessionSender::Batch::clear() {
  body.clear();
  fds.clear();
  blobs.clear();
  bytes = 0;
  ids.clear();
  first.clear();
  closed = 0;
  unseen = false;
}

void SessionSender::set_terms(const Terms& terms, core::Share share) {
  terms_ = terms;
  share_ = share;
}

void SessionSender::begin(Round round) {
  round_ = round;
  if (round == Round::kFirst) return queue_all();
  // What is left in the queue can only be ids of sessions that have ended.
  queue_ = std::exchange(next_, {});
  if (round != Round::kFrozen) return;
  leave_behind();
  queue_untracked();
}

void SessionSender::queue_all() {
  for (auto& [id, entry] : registry_.sessions) {
    if (!share_.has(id)) continue;
    entry.copied = false;
    entry.queued = true;
    entry.saved_hash = 0;
    queue_.push_back(id);
  }
}

void SessionSender::queue_untracked() {
  if (registry_.sessions.untracked() == 0) return;
  for (auto& [id, entry] : registry_.sessions) {
    if (entry.tracked || entry.queued || !share_.has(id) || stays(id, entry)) continue;
    entry.queued = true;
    queue_.push_back(id);
  }
}

// What stays is decided here, with everything at rest. The heir drops what it has of it.
void SessionSender::leave_behind() {
  const auto n = static_cast<std::ptrdiff_t>(registry_.kinds.size());
  const bool all_kinds = std::find(terms_.versions.begin(), terms_.versions.begin() + n, 0U) ==
                         terms_.versions.begin() + n;
  if (registry_.sessions.held() == 0 && terms_.spread == 0 && all_kinds) return;
  for (auto& [id, entry] : registry_.sessions) {
    if (!share_.has(id) || !stays(id, entry)) continue;
    staying_.push_back(id);
    if (!entry.copied) continue;
    closed_.push_back(id);
    entry.copied = false;
  }
}

void SessionSender::changed(std::uint64_t id, SessionEntry& entry) {
  if (entry.queued) return;
  entry.queued = true;
  next_.push_back(id);
}

void SessionSender::closed(std::uint64_t id, const SessionEntry& entry) {
  // An id that still waits in a queue is skipped when its turn comes: ids are not used again.
  if (entry.copied) closed_.push_back(id);
}

Progress SessionSender::progress() const {
  return {.sessions_sent = sessions_sent_,
          .bytes = bytes_,
          .at_heir = at_heir_,
          .dirty = next_.size() + closed_.size(),
          .staying = staying_.size()};
}

bool SessionSender::stays(std::uint64_t id, const SessionEntry& entry) const {
  return entry.held || terms_.versions[entry.kind] == 0 ||
         (terms_.spread != 0 && !core::is_the_newer_ones(id, terms_.spread));
}

Result<Pumped> SessionSender::send() {
  if (ring_due_) {
    const auto sent = ring_.announce(protocol::kSmallSlotSize);
    if (sent && *sent == Pumped::kSent) ring_due_ = false;
    return sent;
  }
  const std::uint64_t begun = rehearsal_ != nullptr ? now_ns() : 0;
  batch_.clear();
  if (const auto filled = fill(); !filled) return Failure(filled.error());
  if (batch_.body.empty()) return Pumped::kDone;
  const auto sent = send_batch();
  if (!sent || *sent != Pumped::kSent) return not_sent(sent);
  closed_.resize(closed_.size() - batch_.closed);
  for (const std::uint64_t id : batch_.first) registry_.sessions.at(id).copied = true;
  at_heir_ += batch_.first.size();
  at_heir_ -= batch_.closed;
  sessions_sent_ += batch_.first.size();
  bytes_ += batch_.bytes;
  if (rehearsal_ != nullptr) rehearsal_->notes.spent_ns += now_ns() - begun;
  return sent;
}

Result<void> SessionSender::fill() {
  const std::size_t room = sends_in_ring() ? protocol::kBatchInRing : protocol::kBatchBody;
  while (batch_.closed < closed_.size() && batch_.body.size() < room) {
    protocol::append_closed(batch_.body, closed_[closed_.size() - 1 - batch_.closed]);
    ++batch_.closed;
  }
  // A session may need two fds: its own and a memfd.
  while (!queue_.empty() && batch_.body.size() < room &&
         batch_.fds.size() + 2 <= protocol::kMaxFds) {
    const std::uint64_t id = queue_.back();
    queue_.pop_back();
    const auto it = registry_.sessions.find(id);
    if (it == registry_.sessions.end()) continue;  // ended before it was sent
    SessionEntry& entry = it->second;
    const bool may_stay = terms_.no_stay.empty() || !terms_.leaving.has_kind(entry.kind);
    if (may_stay && stays(id, entry)) {  // comes again if it is released
      if (rehearsal_ != nullptr) ++rehearsal_->notes.busy;
      entry.queued = false;
      continue;
    }
    const std::size_t fds = batch_.fds.size();
    const std::size_t first = batch_.first.size();
    const auto added = may_stay ? add(id, entry) : can_not_stay(id, entry);
    if (added) continue;
    const std::string what = "session kind '" + registry_.kinds[entry.kind].name + "'";
    if (rehearsal_ == nullptr || !rehearsal_->refuse_session(id, what, added.error())) {
      return Failure(added.error());
    }
    batch_.fds.resize(fds);  // what it had put there already
    batch_.first.resize(first);
    entry.queued = false;
  }
  return {};
}

Failure SessionSender::can_not_stay(std::uint64_t id, const SessionEntry& entry) const {
  return fail(HANDOFF_ERR_UNKNOWN, "the new release does not claim " +
                                       registry_.describe(id, entry.kind) +
                                       ", which can't stay here: " + terms_.no_stay);
}

Result<void> SessionSender::add(std::uint64_t id, SessionEntry& entry) {
  if (!entry.copied && looks()) {
    if (auto ok = check_fd(registry_, id, entry); !ok) return ok;
  }
  const auto saved = save_session(registry_, id, entry, terms_.versions[entry.kind], saved_);
  if (!saved) return saved;
  entry.queued = false;
  if (!entry.tracked) {
    // Nobody said whether it changed: the bytes do.
    const std::uint64_t hash = checksum(saved_.state, saved_.input, saved_.output) ^ saved_.flags;
    if (entry.copied && hash == entry.saved_hash) return {};
    entry.saved_hash = hash;
  }
  const auto packed = pack_session(registry_, id, entry, terms_.leaving.on_wire(entry.kind), saved_,
                                   !entry.copied, batch_);
  if (!packed) return packed;
  if (!entry.copied) {
    // Once it had the flag it is to have it: the process that cleared it may be the last heir.
    entry.nonblocking = entry.nonblocking || is_nonblocking(entry.fd);
    batch_.first.push_back(id);
    if (!looks() && !std::exchange(batch_.unseen, true)) protocol::append_unseen(batch_.body);
  }
  batch_.ids.push_back(id);
  return {};
}

Result<Pumped> SessionSender::send_batch() {
  const bool large = batch_.body.size() >= protocol::kMinInRing;
  if (large && sends_in_ring()) {
    std::memcpy(ring_.slot(), batch_.body.data(), batch_.body.size());
    return ring_.send(Type::kSessions, encode(ring_.place(batch_.body)), batch_.fds);
  }
  const auto sent = frames_.send(Type::kSessions, batch_.body, batch_.fds);
  const bool ring_pays = large && terms_.ring_sessions && round_ != Round::kFrozen;
  if (sent && *sent == Pumped::kSent) ring_due_ = ring_pays;
  return sent;
}

// Takes the frame apart again.
Result<Pumped> SessionSender::not_sent(Result<Pumped> sent) {
  for (const std::uint64_t id : batch_.ids) {
    SessionEntry& entry = registry_.sessions.at(id);
    entry.queued = true;
    entry.saved_hash = 0;
    queue_.push_back(id);
  }
  if (sent) return sent;
  for (const std::uint64_t id : batch_.first) {  // the kernel does not say which fd is closed
    const auto ok = check_fd(registry_, id, registry_.sessions.at(id));
    if (!ok) return Failure(ok.error());
  }
  return sent;
}

}  // namespace handoff::io
