#include "libhandoff/handoff/heir_channels.h"

#include <algorithm>
#include <utility>

#include "libhandoff/copy/vault_record.h"

namespace handoff::io {

void HeirChannels::add_main(Channel channel, Rehearsal* rehearsal) {
  lines_.push_back(std::make_unique<HeirLine>(registry_, std::move(channel), rehearsal));
}

Result<void> HeirChannels::add(std::vector<Channel> channels, const std::vector<DonorKind>& kinds,
                               bool rehearsal, bool may_refuse) {
  if (channels.empty()) return {};
  auto set = ChannelSet::make();
  if (!set) return Failure(set.error());
  set_ = std::move(*set);
  for (Channel& channel : channels) {
    Rehearsal* notes = nullptr;
    if (rehearsal) notes = rehearsals_.emplace_back(std::make_unique<Rehearsal>()).get();
    lines_.push_back(std::make_unique<HeirLine>(registry_, std::move(channel), notes));
    HeirLine& line = *lines_.back();
    watched_.push_back({&line});
    line.received().set_kinds(kinds);
    line.received().set_may_refuse(may_refuse);
    if (auto ok = set_->watch(line.channel().fd(), false); !ok) return ok;
  }
  return {};
}

std::optional<int> HeirChannels::fd() const {
  return set_ ? std::optional<int>(set_->fd()) : std::nullopt;
}

Result<void> HeirChannels::receive() {
  for (Watched& watched : watched_) {
    if (auto ok = read(watched); !ok) return ok;
  }
  return {};
}

Result<void> HeirChannels::read_out() {
  Result<void> first;
  for (Watched& watched : watched_) {
    while (true) {
      const auto ok = read(watched);
      if (ok) break;
      if (first) first = ok;
    }
  }
  return first;
}

Result<void> HeirChannels::read(Watched& watched) {
  HeirLine& line = *watched.line;
  while (!watched.ended) {
    Channel::Message message;
    const auto received = line.channel().recv(message);
    if (!received) {
      watched.ended = true;
      set_->unwatch(line.channel().fd());
      return Failure(received.error());
    }
    if (*received == Channel::Received::kWouldBlock) break;
    if (*received == Channel::Received::kClosed) {
      watched.ended = true;
      set_->unwatch(line.channel().fd());
      return {};
    }
    ++signs_;
    if (auto ok = line.apply(message); !ok) return ok;
    line.acknowledge(false);
  }
  line.acknowledge(true);
  return {};
}

std::uint32_t HeirChannels::round() const {
  if (lines_.empty()) return 0;
  return (*std::min_element(lines_.begin(), lines_.end(),
                            [](const auto& a, const auto& b) { return a->round() < b->round(); }))
      ->round();
}

bool HeirChannels::prepared() const {
  return std::all_of(lines_.begin(), lines_.end(), [](const auto& l) { return l->prepared(); });
}

Result<void> HeirChannels::restore() {
  for (auto& line : lines_) {
    if (auto ok = line->received().restore(); !ok) return ok;
  }
  arrived(registry_);
  return {};
}

Result<void> HeirChannels::answered(const Told::Answer& answer) {
  for (auto& line : lines_) {
    const auto was_its = line->received().answered(answer);
    if (!was_its) return Failure(was_its.error());
    if (*was_its) return {};
  }
  return {};  // it was dropped meanwhile
}
std::uint64_t HeirChannels::pending() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->received().pending();
  return sum;
}
Result<void> HeirChannels::give_up_pending() {
  for (auto& line : lines_) {
    if (auto ok = line->received().give_up_pending(); !ok) return ok;
  }
  return {};
}

void HeirChannels::keep_unmoved() {
  for (auto& line : lines_) line->received().keep_unmoved();
}
void HeirChannels::adopt(bool donor_gone) {
  for (auto& line : lines_) line->adopt(donor_gone);
}
void HeirChannels::drop() {
  for (auto& line : lines_) line->received().drop();
}

std::uint64_t HeirChannels::sessions() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->sessions();
  return sum;
}
std::uint64_t HeirChannels::lost() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->received().lost();
  return sum;
}
std::vector<std::uint64_t> HeirChannels::lost_ids() const {
  std::vector<std::uint64_t> all;
  for (const auto& line : lines_) {
    const std::vector<std::uint64_t>& ids = line->received().lost_ids();
    all.insert(all.end(), ids.begin(), ids.end());
  }
  return all;
}

std::vector<protocol::Refusal> HeirChannels::take_refused() {
  std::vector<protocol::Refusal> all;
  for (auto& line : lines_) {
    for (protocol::Refusal& one : line->received().take_refused()) all.push_back(std::move(one));
  }
  return all;
}
std::uint64_t HeirChannels::refused() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->received().refused();
  return sum;
}
std::uint64_t HeirChannels::refused_in_all() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->received().refused_in_all();
  return sum;
}
std::uint64_t HeirChannels::came() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->received().came();
  return sum;
}

void HeirChannels::add_notes(Rehearsal& to) {
  for (auto& line : lines_) {
    Rehearsal* const notes = line->rehearsal();
    if (notes == nullptr) continue;
    line->received().count();
    if (notes != &to) to.add(notes->notes);
  }
}

}  // namespace handoff::io
