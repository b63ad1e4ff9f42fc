#include "libhandoff/copy/copier.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "libhandoff/core/spread.h"
#include "libhandoff/protocol/limits.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {

using protocol::Type;

void Copier::Batch::clear() {
  body.clear();
  fds.clear();
  blobs.clear();
  bytes = 0;
  ids.clear();
  first.clear();
  closed = 0;
  unseen = false;
}

Copier::~Copier() {
  end(false);
  if (registry_.observer == this) registry_.observer = nullptr;
}

Result<void> Copier::begin(Round round) {
  kind_of_round_ = round;
  ++round_;
  section_ = 0;
  stage_ = Stage::kSessions;
  if (round == Round::kFirst) {
    if (registry_.observer == nullptr) registry_.observer = this;
    for (auto& [id, entry] : registry_.sessions) {
      if (!share_.has(id)) continue;
      entry.copied = false;
      entry.queued = true;
      entry.saved_hash = 0;
      queue_.push_back(id);
    }
    if (!main_) return {};
    stage_ = Stage::kNamed;
    for (const auto& [name, named] : registry_.named) {
      if (named.fd.valid()) named_.push_back({name, named.address, named.fd.get()});
    }
    for (const LinkEnd& end : links_) named_.push_back({end.name, "", end.fd});
    named_total_ = named_.size();
    for (std::size_t i = 0; i < registry_.sections.size(); ++i) {
      sections_begun_ = true;
      SectionDecl& section = registry_.sections[i];
      const std::uint32_t version = section_version(i);
      if (version == 0) {
        registry_.log(
            HANDOFF_LOG_WARNING,
            "section '" + section.name +
                "' is not handed over: the heir reads no version that this release writes");
        continue;
      }
      const auto ok = registry_.call("section '" + section.name + "': begin()",
                                     [&] { return section.ops.begin(section.user, version); });
      if (!ok) return Failure(ok.error());
    }
    return {};
  }
  // What is left in the queue can only be ids of sessions that have ended.
  queue_ = std::exchange(next_, {});
  if (round == Round::kFrozen) leave_behind();
  if (round == Round::kFrozen && registry_.sessions.untracked() > 0) {
    for (auto& [id, entry] : registry_.sessions) {
      if (entry.tracked || entry.queued || !share_.has(id) || stays(id, entry)) continue;
      entry.queued = true;
      queue_.push_back(id);
    }
  }
  return {};
}

// What stays is decided here, with everything at rest. The heir drops what it has of it.
void Copier::leave_behind() {
  const auto n = static_cast<std::ptrdiff_t>(registry_.kinds.size());
  const bool all_kinds = std::find(terms_.versions.begin(), terms_.versions.begin() + n, 0U) ==
                         terms_.versions.begin() + n;
  if (registry_.sessions.held() == 0 && spread_ == 0 && all_kinds) return;
  for (auto& [id, entry] : registry_.sessions) {
    if (!share_.has(id) || !stays(id, entry)) continue;
    staying_.push_back(id);
    if (!entry.copied) continue;
    closed_.push_back(id);
    entry.copied = false;
  }
}

void Copier::end(bool moved) {
  if (!sections_begun_) return;
  sections_begun_ = false;
  for (std::size_t i = 0; i < registry_.sections.size(); ++i) {
    if (section_version(i) == 0) continue;
    SectionDecl& section = registry_.sections[i];
    const auto ok = registry_.call("section '" + section.name + "': end()", [&] {
      section.ops.end(section.user, moved ? 1 : 0);
      return 0;
    });
    if (!ok) registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
  }
}

void Copier::session_changed(std::uint64_t id, SessionEntry& entry) {
  if (entry.queued) return;
  entry.queued = true;
  next_.push_back(id);
}

void Copier::session_closed(std::uint64_t id, const SessionEntry& entry) {
  // An id that still waits in a queue is skipped when its turn comes: ids are not used again.
  if (entry.copied) closed_.push_back(id);
}

bool Copier::acknowledge(std::uint64_t frames) {
  if (frames < acknowledged_ || frames > channel_.frames_sent()) return false;
  acknowledged_ = frames;
  return true;
}

Result<Copier::Pumped> Copier::pump() {
  if (stage_ == Stage::kDone) return Pumped::kDone;
  if (channel_.frames_sent() - acknowledged_ >= protocol::kWindow) return Pumped::kWindow;
  switch (stage_) {
    case Stage::kNamed:
      return send_named();
    case Stage::kRegions:
      return send_region();
    case Stage::kRing:
      return send_ring();
    case Stage::kSessions:
      return send_sessions();
    case Stage::kSections:
      return send_section();
    default:
      return send_end();
  }
}

Result<Copier::Pumped> Copier::outcome(const Result<Channel::Sent>& sent) const {
  if (!sent) return Failure(sent.error());
  switch (*sent) {
    case Channel::Sent::kYes:
      return Pumped::kSent;
    case Channel::Sent::kWouldBlock:
      return Pumped::kBlocked;
    case Channel::Sent::kClosed:
      return Pumped::kClosed;
    case Channel::Sent::kFdsInFlight:
      break;
  }
  // Ours will come back with an Ack. If none of ours are under way, others of this user have used
  // up the limit, and nothing says when that will change.
  if (channel_.frames_sent() > acknowledged_) return Pumped::kWindow;
  return fail(-ETOOMANYREFS,
              "this user has too many fds in flight (limit: the soft RLIMIT_NOFILE of this "
              "process); raise LimitNOFILE or grant CAP_SYS_RESOURCE");
}

Result<Copier::Pumped> Copier::send_named() {
  if (first_fd_at_ns_ == 0) first_fd_at_ns_ = now_ns();
  protocol::Listeners message;
  message.total = named_total_;
  std::vector<int> fds;
  const std::size_t n = std::min<std::size_t>(named_.size(), 64);
  for (std::size_t i = 0; i < n; ++i) {
    const Passed& named = named_[named_.size() - 1 - i];
    const auto identity = identity_of(named.fd);
    if (!identity) return Failure(identity.error());
    message.named.push_back({.name = named.name,
                             .address = named.address,
                             .inode = identity->inode,
                             .device = identity->device,
                             .fd_index = static_cast<std::uint32_t>(fds.size())});
    fds.push_back(named.fd);
  }
  const auto sent = outcome(channel_.send(Type::kListeners, encode(message), fds));
  if (sent && *sent == Pumped::kSent) {
    named_.resize(named_.size() - n);
    if (named_.empty()) stage_ = Stage::kRegions;
  }
  return sent;
}

Result<Copier::Pumped> Copier::send_region() {
  for (; region_ < registry_.regions.size(); ++region_) {
    Region& region = registry_.regions[region_];
    if (region_version(region_) == 0) {
      registry_.log(HANDOFF_LOG_WARNING,
                    "region '" + region.name() +
                        "' is not handed over: the heir does not take the layout that it has");
      continue;
    }
    if (!region.owned()) {  // the last donor died, and there was no memory for a new one
      if (const auto ok = region.start_empty(); !ok) return Failure(ok.error());
    }
    const auto announced = region.announce(
        static_cast<std::uint32_t>(registry_.kinds.size() + registry_.sections.size() + region_));
    if (!announced) return Failure(announced.error());
    const int fd = region.fd();
    const auto sent = outcome(channel_.send(Type::kRegion, encode(*announced), {&fd, 1}));
    if (sent && *sent == Pumped::kSent) ++region_;
    return sent;
  }
  stage_ = registry_.sections.empty() ? Stage::kSessions : Stage::kRing;
  return pump();
}

void Copier::let_go() {
  for (std::size_t i = 0; i < registry_.regions.size(); ++i) {
    if (region_version(i) != 0) registry_.regions[i].let_go();
  }
}

Result<Copier::Pumped> Copier::send_ring() {
  if (!ring_.fd.valid()) {
    slot_size_ =
        main_ && !registry_.sections.empty() ? protocol::kRingSlotSize : protocol::kSmallSlotSize;
    auto ring = make_ring(std::size_t{protocol::kRingSlots} * slot_size_);
    if (!ring) return Failure(ring.error());
    ring_ = std::move(*ring);
  }
  const int fd = ring_.fd.get();
  const auto sent = outcome(channel_.send(
      Type::kRing, encode(protocol::Ring{protocol::kRingSlots, slot_size_}), {&fd, 1}));
  if (sent && *sent == Pumped::kSent) stage_ = Stage::kSessions;
  return sent;
}

Result<void> Copier::add_session(std::uint64_t id, SessionEntry& entry) {
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
  const auto packed = pack_session(registry_, id, entry, saved_, !entry.copied, batch_);
  if (!packed) return packed;
  if (!entry.copied) {
    batch_.first.push_back(id);
    if (!looks() && !std::exchange(batch_.unseen, true)) protocol::append_unseen(batch_.body);
  }
  batch_.ids.push_back(id);
  return {};
}

bool Copier::stays(std::uint64_t id, const SessionEntry& entry) const {
  return entry.held || terms_.versions[entry.kind] == 0 ||
         (spread_ != 0 && !core::is_the_newer_ones(id, spread_));
}

void Copier::take_back() {
  for (const std::uint64_t id : batch_.ids) {
    SessionEntry& entry = registry_.sessions.at(id);
    entry.queued = true;
    entry.saved_hash = 0;
    queue_.push_back(id);
  }
}

Result<Copier::Pumped> Copier::send_sessions() {
  batch_.clear();
  const std::uint64_t begun = rehearsal_ != nullptr ? now_ns() : 0;
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
    if (stays(id, entry)) {  // comes again if it is released
      if (rehearsal_ != nullptr) ++rehearsal_->notes.busy;
      entry.queued = false;
      continue;
    }
    const std::size_t fds = batch_.fds.size();
    const std::size_t first = batch_.first.size();
    const auto added = add_session(id, entry);
    if (added) continue;
    const std::string what = "session kind '" + registry_.kinds[entry.kind].name + "'";
    if (rehearsal_ == nullptr || !rehearsal_->refuse_session(id, what, added.error())) {
      return Failure(added.error());
    }
    batch_.fds.resize(fds);  // what it had put there already
    batch_.first.resize(first);
    entry.queued = false;
  }
  if (batch_.body.empty()) {
    stage_ = main_ ? Stage::kSections : Stage::kEnd;
    return pump();
  }
  const auto sent = send_batch();
  if (!sent || *sent != Pumped::kSent) {
    take_back();
    if (sent) return sent;
    for (const std::uint64_t id : batch_.first) {  // the kernel does not say which fd is closed
      const auto ok = check_fd(registry_, id, registry_.sessions.at(id));
      if (!ok) return Failure(ok.error());
    }
    return sent;
  }
  closed_.resize(closed_.size() - batch_.closed);
  for (const std::uint64_t id : batch_.first) registry_.sessions.at(id).copied = true;
  at_heir_ += batch_.first.size();
  at_heir_ -= batch_.closed;
  sessions_sent_ += batch_.first.size();
  bytes_ += batch_.bytes;
  if (rehearsal_ != nullptr) rehearsal_->notes.spent_ns += now_ns() - begun;
  return sent;
}

Result<Copier::Pumped> Copier::send_batch() {
  const bool large = batch_.body.size() >= protocol::kMinInRing;
  if (!large || !sends_in_ring()) {
    const auto sent = outcome(channel_.send(Type::kSessions, batch_.body, batch_.fds));
    const bool ring_pays = large && terms_.ring_sessions && kind_of_round_ != Round::kFrozen;
    if (sent && *sent == Pumped::kSent && ring_pays) stage_ = Stage::kRing;
    return sent;
  }
  std::memcpy(slot(), batch_.body.data(), batch_.body.size());
  const protocol::InRing place{.slot = slot_,
                               .length = static_cast<std::uint32_t>(batch_.body.size()),
                               .checksum = checksum(batch_.body)};
  return in_slot(outcome(channel_.send(Type::kSessions, encode(place), batch_.fds)));
}

// The frame that speaks of a slot is sent, or not.
Result<Copier::Pumped> Copier::in_slot(Result<Pumped> sent) {
  if (sent && *sent == Pumped::kSent) slot_ = (slot_ + 1) % protocol::kRingSlots;
  return sent;
}

Result<Copier::Pumped> Copier::send_section() {
  while (section_ < registry_.sections.size()) {
    if (section_version(section_) == 0) {
      ++section_;
      continue;
    }
    SectionDecl& section = registry_.sections[section_];
    char* const at = slot();
    if (waiting_chunk_ == 0) {
      const int phase = kind_of_round_ == Round::kFirst   ? HANDOFF_PHASE_SNAPSHOT
                        : kind_of_round_ == Round::kAgain ? HANDOFF_PHASE_CHANGES
                                                          : HANDOFF_PHASE_FINAL;
      const auto n = registry_.call("section '" + section.name + "': read()", [&] {
        const ssize_t length = section.ops.read(section.user, phase, at, HANDOFF_CHUNK_MAX);
        return static_cast<int>(std::min<ssize_t>(length, HANDOFF_CHUNK_MAX + 1));
      });
      if (!n) return Failure(n.error());
      if (*n > static_cast<int>(HANDOFF_CHUNK_MAX)) {
        return fail(HANDOFF_ERR_REJECTED,
                    "section '" + section.name + "': read() says it wrote beyond its chunk");
      }
      if (*n == 0) {
        ++section_;
        continue;
      }
      waiting_chunk_ = static_cast<std::uint32_t>(*n);
    }
    const protocol::SectionChunk chunk{
        .kind = static_cast<std::uint32_t>(registry_.kinds.size() + section_),
        .slot = slot_,
        .length = waiting_chunk_,
        .checksum = checksum({at, waiting_chunk_})};
    const auto sent = in_slot(outcome(channel_.send(Type::kSectionChunk, encode(chunk))));
    if (sent && *sent == Pumped::kSent) {
      ++chunks_;
      bytes_ += waiting_chunk_;
      waiting_chunk_ = 0;
    }
    return sent;
  }
  stage_ = Stage::kEnd;
  return pump();
}

Result<Copier::Pumped> Copier::send_end() {
  Result<Pumped> sent = Pumped::kBlocked;
  if (kind_of_round_ == Round::kFrozen && !main_) {
    sent = outcome(channel_.send(Type::kLanePrepare,
                                 encode(protocol::LanePrepare{at_heir_, channel_.sent_hash()})));
  } else if (kind_of_round_ == Round::kFrozen) {
    if (!others_) return Pumped::kHeld;
    sent = outcome(channel_.send(Type::kPrepare,
                                 encode(protocol::Prepare{.sessions = at_heir_ + *others_,
                                                          .chunks = chunks_,
                                                          .checksum = channel_.sent_hash(),
                                                          .frozen_at_ns = frozen_at_ns_,
                                                          .budget_us = budget_us_,
                                                          .late = staying_.size() + others_late_}),
                                 {&deed_fd_, 1}));
  } else {
    sent = outcome(channel_.send(Type::kCopyEnd, encode(protocol::CopyEnd{round_, at_heir_})));
  }
  if (!sent || *sent != Pumped::kSent) return sent;
  stage_ = Stage::kDone;
  return Pumped::kDone;
}

}  // namespace handoff::io
