#include "libhandoff/handoff/heir_channels.h"

#include <algorithm>
#include <utility>

#include "libhandoff/protocol/limits.h"

namespace handoff::io {
namespace {

using protocol::Type;

// As on the main channel: after this many frames, or when there is nothing left to read.
constexpr std::uint64_t kAckEvery = protocol::kWindow / 2;

Failure malformed(std::string text) { return fail(HANDOFF_ERR_PROTOCOL, std::move(text)); }

}  // namespace

HeirChannels::Line::Line(Registry& registry, Channel from, bool rehearses)
    : channel(std::move(from)),
      rehearsal(rehearses ? std::make_optional<Rehearsal>() : std::nullopt),
      received(registry, rehearsal ? &*rehearsal : nullptr) {}

Result<std::unique_ptr<HeirChannels>> HeirChannels::make(Registry& registry,
                                                         std::vector<Channel> channels,
                                                         const core::Manifest& donor,
                                                         const std::vector<std::uint32_t>& versions,
                                                         bool rehearsal) {
  auto set = ChannelSet::make();
  if (!set) return Failure(set.error());
  const auto kinds = map_kinds(registry, donor, versions);
  if (!kinds) return Failure(kinds.error());
  std::unique_ptr<HeirChannels> made(new HeirChannels(std::move(*set)));
  for (Channel& channel : channels) {
    made->lines_.push_back(std::make_unique<Line>(registry, std::move(channel), rehearsal));
    Line& line = *made->lines_.back();
    line.received.set_kinds(*kinds);
    if (auto ok = made->set_.watch(line.channel.fd(), false); !ok) return Failure(ok.error());
  }
  return made;
}

Result<void> HeirChannels::receive() {
  for (auto& line : lines_) {
    if (auto ok = read(*line); !ok) return ok;
  }
  return {};
}

Result<void> HeirChannels::read(Line& line) {
  while (!line.closed) {
    Channel::Message message;
    const auto received = line.channel.recv(message);
    if (!received) return Failure(received.error());
    if (*received == Channel::Received::kWouldBlock) break;
    if (*received == Channel::Received::kClosed) {
      line.closed = true;
      set_.unwatch(line.channel.fd());
      return {};
    }
    ++signs_;
    if (auto ok = apply(line, message); !ok) return ok;
    acknowledge(line, false);
  }
  acknowledge(line, true);
  return {};
}

Result<void> HeirChannels::apply(Line& line, Channel::Message& message) {
  const Type type = message.header.type;
  if (line.prepared) return malformed(protocol::type_name(type) + " after LanePrepare");
  if (type != Type::kSessions && type != Type::kRing && !message.fds.empty()) {
    return malformed("the donor sent fds with " + protocol::type_name(type));
  }
  switch (type) {
    case Type::kSessions:
      return line.received.apply(message.body, message.fds, line.ring);
    case Type::kRing:
      return line.ring.apply(message.body, message.fds);
    case Type::kCopyEnd: {
      const auto end = protocol::decode<protocol::CopyEnd>(message.body);
      if (!end) return Failure(end.error());
      if (end->sessions != line.received.sessions() || end->round != line.round + 1) {
        return malformed("CopyEnd of a lane's channel: the counts do not agree");
      }
      line.round = end->round;
      return {};
    }
    case Type::kLanePrepare: {
      const auto prepare = protocol::decode<protocol::LanePrepare>(message.body);
      if (!prepare) return Failure(prepare.error());
      if (prepare->sessions != line.received.sessions()) {
        return malformed("LanePrepare counts " + std::to_string(prepare->sessions) +
                         " sessions, here are " + std::to_string(line.received.sessions()));
      }
      if (prepare->checksum != line.channel.received_hash()) {
        return malformed("LanePrepare: the checksum over the copy is wrong");
      }
      line.prepared = true;
      return {};
    }
    default:
      return malformed("the donor sent " + protocol::type_name(type) + " over a lane's channel");
  }
}

void HeirChannels::acknowledge(Line& line, bool now) {
  const std::uint64_t frames = line.channel.frames_received();
  if (frames == line.acknowledged || (!now && frames - line.acknowledged < kAckEvery)) return;
  const auto sent = line.channel.send(Type::kAck, encode(protocol::Ack{frames}));
  // One that doesn't fit is made up for by the next: the count is a total.
  if (sent && *sent == Channel::Sent::kYes) line.acknowledged = frames;
}

std::uint32_t HeirChannels::round() const {
  if (lines_.empty()) return 0;
  return (*std::min_element(lines_.begin(), lines_.end(),
                            [](const auto& a, const auto& b) { return a->round < b->round; }))
      ->round;
}

bool HeirChannels::prepared() const {
  return std::all_of(lines_.begin(), lines_.end(), [](const auto& l) { return l->prepared; });
}

Result<void> HeirChannels::restore() {
  for (auto& line : lines_) {
    if (auto ok = line->received.restore(); !ok) return ok;
  }
  return {};
}

void HeirChannels::keep_unmoved() {
  for (auto& line : lines_) line->received.keep_unmoved(0);
}
void HeirChannels::adopt() {
  for (auto& line : lines_) line->received.adopt();
}
void HeirChannels::drop() {
  for (auto& line : lines_) line->received.drop();
}

std::uint64_t HeirChannels::sessions() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->received.sessions();
  return sum;
}
std::uint64_t HeirChannels::lost() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->received.lost();
  return sum;
}
std::vector<std::uint64_t> HeirChannels::lost_ids() const {
  std::vector<std::uint64_t> all;
  for (const auto& line : lines_) {
    all.insert(all.end(), line->received.lost_ids().begin(), line->received.lost_ids().end());
  }
  return all;
}

protocol::Rehearsed HeirChannels::notes() {
  Rehearsal all;
  for (auto& line : lines_) {
    if (!line->rehearsal) continue;
    line->received.count();
    all.add(line->rehearsal->notes);
  }
  return all.notes;
}

}  // namespace handoff::io
