#include "libhandoff/handoff/donor_channels.h"

#include <algorithm>
#include <utility>

namespace handoff::io {

DonorChannels::~DonorChannels() { stop_watching(); }

void DonorChannels::add_main(Channel channel, bool rehearsal) {
  lines_.push_back(std::make_unique<DonorLine>(registry_, std::move(channel), rehearsal));
  main().add_service(registry_);
}

Result<void> DonorChannels::add(std::vector<Part> parts, const Terms& terms, bool rehearsal) {
  if (parts.empty()) return {};
  auto set = ChannelSet::make();
  if (!set) return Failure(set.error());
  set_ = std::move(*set);
  for (Part& part : parts) {
    lines_.push_back(std::make_unique<DonorLine>(registry_, std::move(part.channel), rehearsal));
    DonorLine& line = *lines_.back();
    watched_.push_back(&line);
    line.set_terms(terms, part.share);
    if (auto ok = set_->watch(*line.fd(), false); !ok) return ok;
  }
  return {};
}

std::optional<int> DonorChannels::fd() const {
  return set_ ? std::optional<int>(set_->fd()) : std::nullopt;
}

void DonorChannels::stop_watching() {
  if (registry_.observer == this) registry_.observer = nullptr;
}

Result<void> DonorChannels::begin(Round round) {
  registry_.observer = this;
  for (auto& line : lines_) {
    if (auto ok = line->begin(round); !ok) return ok;
  }
  return {};
}

Result<void> DonorChannels::hear() {
  for (DonorLine* line : watched_) {
    if (line->ended()) continue;
    const auto acks = line->hear();
    if (!acks) return Failure(acks.error());
    signs_ += *acks;
    if (line->ended()) {
      set_->unwatch(*line->fd());
    } else if (auto ok = set_->watch(*line->fd(), line->blocked()); !ok) {
      return ok;
    }
  }
  return {};
}

void DonorChannels::begin_turn(core::Pace::Turn turn) {
  for (auto& line : lines_) line->begin_turn(turn);
}

Result<bool> DonorChannels::pump() {
  bool sent = false;
  for (auto& line : lines_) {
    const auto pumped = line->pump();
    if (!pumped) return Failure(pumped.error());
    sent = sent || *pumped == Pumped::kSent || *pumped == Pumped::kLooked;
  }
  if (sent) return true;
  for (DonorLine* line : watched_) {
    if (line->ended()) continue;
    if (auto ok = set_->watch(*line->fd(), line->blocked()); !ok) return Failure(ok.error());
  }
  return false;
}

bool DonorChannels::more() const {
  return std::any_of(watched_.begin(), watched_.end(),
                     [](const DonorLine* line) { return line->cut_short(); });
}

bool DonorChannels::sent() const {
  return std::all_of(lines_.begin(), lines_.end(), [](const auto& line) { return line->sent(); });
}

bool DonorChannels::saved() const {
  return std::all_of(lines_.begin(), lines_.end(), [](const auto& line) { return line->saved(); });
}

Progress DonorChannels::progress() const {
  Progress sum;
  for (const auto& line : lines_) sum += line->progress();
  return sum;
}

std::uint64_t DonorChannels::frames() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->frames();
  return sum;
}

std::vector<std::uint64_t> DonorChannels::first_staying() const {
  std::vector<std::uint64_t> first = staying();
  first.resize(std::min(first.size(), protocol::kMaxLostIds));
  return first;
}

std::vector<std::uint64_t> DonorChannels::closing() const {
  std::vector<std::uint64_t> all;
  for (const auto& line : lines_) {
    const std::vector<std::uint64_t>& closing = line->sessions().closing();
    all.insert(all.end(), closing.begin(), closing.end());
  }
  return all;
}

std::vector<protocol::Unmoved> DonorChannels::first_left() const {
  std::vector<protocol::Unmoved> all;
  for (const auto& line : lines_) {
    for (auto& one : line->sessions().left().first()) {
      if (all.size() < protocol::kMaxUnmovable) all.push_back(std::move(one));
    }
  }
  return all;
}

std::vector<std::uint64_t> DonorChannels::left_ids() const {
  std::vector<std::uint64_t> all;
  for (const auto& line : lines_) {
    const std::vector<std::uint64_t> ids = line->sessions().left().ids();
    all.insert(all.end(), ids.begin(), ids.end());
  }
  return all;
}

void DonorChannels::refused(const std::vector<protocol::Refusal>& refusals, bool after_delta) {
  for (const protocol::Refusal& one : refusals) {
    if (!registry_.sessions.contains(one.id)) continue;  // another lane's, or it has ended
    sender_of(one.id).refused(one.id, one.reason, after_delta);
  }
}

std::vector<std::uint64_t> DonorChannels::staying() const {
  std::vector<std::uint64_t> all;
  for (const auto& line : lines_) {
    const std::vector<std::uint64_t>& staying = line->sessions().staying();
    all.insert(all.end(), staying.begin(), staying.end());
  }
  return all;
}

protocol::Rehearsed DonorChannels::notes() const {
  Rehearsal all;
  for (const auto& line : lines_) {
    if (!line->rehearsal()) continue;
    protocol::Rehearsed notes = line->rehearsal()->notes;
    for (const auto& session : line->sessions().too_large()) {
      ++notes.too_large;
      if (notes.findings.size() >= Rehearsal::kExamples) continue;
      const SessionEntry& entry = registry_.sessions.at(session.id);
      notes.findings.push_back({session.id,
                                "session kind '" + registry_.kinds[entry.kind].name + "'",
                                line->sessions().why_too_large(session), peer_of(entry)});
    }
    all.add(notes);
  }
  return all.notes;
}

SessionSender& DonorChannels::sender_of(std::uint64_t id) {
  const auto has = [id](const auto& line) { return line->share().has(id); };
  return (*std::find_if(lines_.begin(), lines_.end(), has))->sessions();
}

void DonorChannels::session_changed(std::uint64_t id, SessionEntry& entry) {
  sender_of(id).changed(id, entry);
}

void DonorChannels::session_closed(std::uint64_t id, const SessionEntry& entry) {
  sender_of(id).closed(id, entry);
}

}  // namespace handoff::io
