#include "libhandoff/copy/session_sender.h"

#include <cstring>
#include <string>
#include <utility>

#include "libhandoff/protocol/limits.h"
#include "libhandoff/service/nonblocking.h"
#include "libhandoff/sys/process.h"

namespace handoff::io {

using protocol::Type;

// Of saved sessions that are not sent, for one frame: as many as have room in it with their fds.
constexpr std::size_t kLooks = protocol::kMaxFds;
// The word that nobody has looked, at most.
constexpr std::size_t kUnseen = 16;

void SessionSender::Batch::clear() {
  if (std::exchange(secret, false)) wipe(body);
  body.clear();
  fds.clear();
  blobs.clear();
  bytes = 0;
  ids.clear();
  first.clear();
  closed = 0;
  unseen = full = false;
  at_heir.clear();
  large.clear();
  large_bytes = 0;
}

void SessionSender::set_terms(const Terms& terms, core::Share share) {
  terms_ = terms;
  share_ = share;
}

void SessionSender::begin(Round round) {
  round_ = round;
  large_sent_ = 0;
  if (round == Round::kFirst) return queue_all();
  measure();  // the heir has confirmed the round, and its last Ack is behind that
  // What is left in the queue can only be ids of sessions that have ended.
  queue_ = std::exchange(next_, {});
  if (round != Round::kFrozen) return;
  leave_too_large();
  leave_behind();
  queue_untracked();
  queue_without_snapshot();
}

void SessionSender::queue_all() {
  for (auto& [id, entry] : registry_.sessions) {
    if (!share_.has(id)) continue;
    entry.copied = false;
    entry.queued = true;
    entry.saved_hash = 0;
    registry_.sessions.fds().none_sent(id);
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

void SessionSender::queue_without_snapshot() {
  if (!some_wait_) return;
  for (auto& [id, entry] : registry_.sessions) {
    if (entry.copied || entry.queued || !share_.has(id) || stays(id, entry)) continue;
    entry.queued = true;
    queue_.push_back(id);
  }
}

void SessionSender::acknowledged() {
  if (sample_ && frames_.acknowledged() >= sample_->frame) measure();
}

// The heir has the sample.
void SessionSender::measure() {
  if (!sample_) return;
  room_.measured(sample_->bytes, now_ns() - sample_->begun_ns);
  sample_.reset();
}

void SessionSender::changed(std::uint64_t id, SessionEntry& entry) {
  if (entry.queued || left_.has(id)) return;
  entry.queued = true;
  next_.push_back(id);
}

void SessionSender::closed(std::uint64_t id, const SessionEntry& entry) {
  // An id that still waits in a queue is skipped when its turn comes: ids are not used again.
  if (entry.copied) closed_.push_back(id);
  left_.forget(id);
  stretches_.erase(id);
  large_.erase(id);
}

Progress SessionSender::progress() const {
  return {.sessions_sent = sessions_sent_,
          .bytes = bytes_,
          .at_heir = at_heir_,
          .dirty = next_.size() + closed_.size(),
          .staying = staying_.size(),
          .large = large_sent_,
          .closing = closing_.size()};
}

Result<Pumped> SessionSender::send() {
  if (ring_due_) {
    const auto sent = ring_.announce(protocol::kSmallSlotSize);
    if (sent && *sent == Pumped::kSent) ring_due_ = false;
    return sent;
  }
  begun_ns_ = now_ns();
  batch_.clear();
  do {  // what fails in the freeze is to be closed
    if (const auto filled = fill(); !filled) return Failure(filled.error());
  } while (batch_.body.empty() && !closed_.empty());
  if (batch_.body.empty()) return queue_.empty() ? Pumped::kDone : Pumped::kLooked;
  const auto sent_batch = send_batch();
  if (batch_.secret) wipe(batch_.body);
  if (!sent_batch || *sent_batch != Pumped::kSent) return not_sent(sent_batch);
  commit();
  return sent_batch;
}

// What the heir has from here on.
void SessionSender::commit() {
  closed_.erase(closed_.begin(), closed_.begin() + static_cast<std::ptrdiff_t>(batch_.closed));
  for (const std::uint64_t id : batch_.first) registry_.sessions.at(id).copied = true;
  if (registry_.sessions.fds().any()) {
    for (const std::uint64_t id : batch_.ids) registry_.sessions.fds().all_sent(id);
  }
  at_heir_ += batch_.first.size();
  at_heir_ -= batch_.closed;
  sessions_sent_ += batch_.first.size();
  bytes_ += batch_.bytes;
  large_sent_ += batch_.large_bytes;
  for (const auto& [id, has] : batch_.at_heir) {
    if (has.input || has.output) {
      stretches_[id] = has;
    } else {
      stretches_.erase(id);
    }
  }
  for (const auto& [id, bytes] : batch_.large) {
    if (bytes >= core::FreezeRoom::kLarge) {
      large_[id] = bytes;
    } else {
      large_.erase(id);
    }
  }
  if (!sample_ && batch_.bytes >= core::FreezeRoom::kLarge) {
    sample_ = Sample{frames_.sent(), batch_.bytes, begun_ns_, now_ns() - begun_ns_};
  }
  if (rehearsal_ != nullptr) rehearsal_->notes.spent_ns += now_ns() - begun_ns_;
}

// The bytes of a layer don't lie in the ring: the frame must have room for them.
std::size_t SessionSender::batch_room() const {
  if (batch_.full) return 0;
  return sends_in_ring() && !batch_.secret ? protocol::kBatchInRing : protocol::kBatchBody;
}

Result<void> SessionSender::fill() {
  while (batch_.closed < closed_.size() && batch_.body.size() < batch_room()) {
    protocol::append_closed(batch_.body, closed_[batch_.closed]);
    ++batch_.closed;
  }
  // One that fails has cost as much as one that is sent, so their number is bounded as well.
  std::size_t looks = 0;
  while (!queue_.empty() && batch_.body.size() < batch_room() && looks < kLooks &&
         batch_.fds.size() + fds_of_record(registry_, queue_.back()) <= protocol::kMaxFds) {
    const std::uint64_t id = queue_.back();
    queue_.pop_back();
    const auto it = registry_.sessions.find(id);
    if (it == registry_.sessions.end()) continue;  // ended before it was sent
    SessionEntry& entry = it->second;
    const bool may_stay = terms_.no_stay.empty() || !terms_.leaving.has_kind(entry.kind);
    if (may_stay && stays(id, entry)) {  // comes again if it is released
      note_staying(id, entry);
      entry.queued = false;
      continue;
    }
    if (round_ != Round::kFrozen && !registry_.has_snapshot(id, entry)) {
      if (rehearsal_ != nullptr) ++rehearsal_->notes.untried;
      some_wait_ = true;
      entry.queued = false;
      continue;
    }
    const std::size_t sent = batch_.ids.size();
    const std::size_t fds = batch_.fds.size();
    const std::size_t first = batch_.first.size();
    const auto added = may_stay ? add(id, entry) : can_not_stay(id, entry);
    if (batch_.ids.size() == sent) ++looks;
    if (added) continue;
    saved_.layer.wipe();
    batch_.fds.resize(fds);  // what it had put there already
    batch_.first.resize(first);
    if (const auto ok = without(id, entry, added.error()); !ok) return ok;
  }
  return {};
}

Result<void> SessionSender::add(std::uint64_t id, SessionEntry& entry) {
  if (!terms_.session_fds && registry_.sessions.has_own_fds(id, entry)) {
    return own_fds_unknown(registry_, id, entry);
  }
  if (auto ok = check_own_fds(registry_, id, entry, !entry.copied); !ok) return ok;
  if (!entry.copied && looks()) {
    if (auto ok = check_fd(registry_, id, entry); !ok) return ok;
  }
  AtPeer at_heir;
  if (entry.copied && terms_.tails && !stretches_.empty()) {
    if (const auto known = stretches_.find(id); known != stretches_.end()) at_heir = known->second;
  }
  const auto saved =
      save_session(registry_, id, entry, terms_.versions[entry.kind], saved_, at_heir);
  if (!saved) return saved;
  if (!saved_.layer.empty() && !terms_.layers) {
    return fail(HANDOFF_ERR_REJECTED, registry_.describe(id, entry) +
                                          " has bytes of a layer, which the new release does not "
                                          "take");
  }
  if (!saved_.layer.empty() && batch_.body.size() >= protocol::kBatchBody) {
    // What is there was to lie in the ring. This one begins the next frame.
    batch_.full = true;
    saved_.layer.wipe();
    queue_.push_back(id);
    return {};
  }
  entry.queued = false;
  if (!entry.tracked) {
    // Nobody said whether it changed: the bytes do, and where they have positions those. Of a layer
    // nothing is kept to compare it with, but whether there was one.
    const std::uint64_t hash = hash_of_saved();
    const bool same_fds = !registry_.sessions.fds().changed(id);
    if (entry.copied && hash == entry.saved_hash && same_fds && saved_.layer.empty()) return {};
    entry.saved_hash = hash;
  }
  const auto packed = pack_session(registry_, id, entry, terms_.leaving.on_wire(entry.kind), saved_,
                                   !entry.copied, batch_);
  saved_.layer.wipe();
  if (!packed) return packed;
  if (!entry.copied) {
    // Once it had the flag it is to have it: the process that cleared it may be the last heir.
    entry.nonblocking = entry.nonblocking || (!entry.no_fd && is_nonblocking(entry.fd));
    batch_.first.push_back(id);
    if (!looks() && !std::exchange(batch_.unseen, true)) {
      if (batch_.secret) reserve_and_wipe(batch_.body, kUnseen);
      protocol::append_unseen(batch_.body);
    }
  }
  note_nonblocking(registry_, id);
  batch_.ids.push_back(id);
  note(id);
  return {};
}

// Bytes at the same positions are the same. Nothing without a position is not nothing at one: the
// service may say positions only where it has bytes.
std::uint64_t SessionSender::hash_of_saved() const {
  const auto input = saved_.input.placed();
  const auto output = saved_.output.placed();
  const auto of = [](const SavedStretch& part, const std::optional<core::Stretch>& at) {
    return at ? std::string_view(reinterpret_cast<const char*>(&*at), sizeof *at)
              : std::string_view(part.bytes());
  };
  const std::uint64_t placed = std::uint64_t{input.has_value()} << 32 |
                               std::uint64_t{output.has_value()} << 33 |
                               std::uint64_t{!saved_.layer.empty()} << 34;
  return checksum(saved_.state, of(saved_.input, input), of(saved_.output, output)) ^ placed ^
         saved_.flags;
}

// What the heir has of it once the frame is sent, and what it would be sent with again.
void SessionSender::note(std::uint64_t id) {
  const auto has = [](const SavedStretch& part) {
    auto placed = part.placed();
    return placed && placed->size() > 0 ? placed : std::nullopt;
  };
  const AtPeer at_heir{has(saved_.input), has(saved_.output)};
  if (at_heir.input || at_heir.output || (!stretches_.empty() && stretches_.contains(id))) {
    batch_.at_heir.emplace_back(id, at_heir);
  }
  // Of what has a position the next tail is expected to be as long as this one.
  const auto again = [this](const SavedStretch& part) {
    const bool first = terms_.tails && part.placed() && !part.drop();
    return first ? std::size_t{0} : part.bytes().size();
  };
  const std::uint64_t bytes = saved_.state.size() + again(saved_.input) + again(saved_.output);
  const std::uint64_t sent =
      saved_.state.size() + saved_.input.bytes().size() + saved_.output.bytes().size();
  if (sent >= core::FreezeRoom::kLarge) batch_.large_bytes += sent;
  if (bytes >= core::FreezeRoom::kLarge || (!large_.empty() && large_.contains(id))) {
    batch_.large.push_back({id, bytes});
  }
}

Result<Pumped> SessionSender::send_batch() {
  const bool large = batch_.body.size() >= protocol::kMinInRing;
  if (large && sends_in_ring() && !batch_.secret) {
    std::memcpy(ring_.slot(), batch_.body.data(), batch_.body.size());
    return ring_.send(Type::kSessions, encode(ring_.place(batch_.body)), batch_.fds);
  }
  const auto sent = frames_.send(Type::kSessions, batch_.body, batch_.fds);
  const bool ring_pays =
      large && !batch_.secret && terms_.ring_sessions && round_ != Round::kFrozen;
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
