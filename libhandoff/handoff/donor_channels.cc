#include "libhandoff/handoff/donor_channels.h"

#include <numeric>
#include <utility>

namespace handoff::io {

using protocol::Type;

DonorChannels::Line::Line(Registry& registry, Part part, bool rehearses)
    : share(part.share),
      channel(std::move(part.channel)),
      rehearsal(rehearses ? std::make_optional<Rehearsal>() : std::nullopt),
      copier(registry, channel, rehearsal ? &*rehearsal : nullptr) {
  copier.set_part(share, false);
}

Result<std::unique_ptr<DonorChannels>> DonorChannels::make(Registry& registry,
                                                           std::vector<Part> parts,
                                                           const Copier::Terms& terms,
                                                           bool rehearsal, Copier* main) {
  auto set = ChannelSet::make();
  if (!set) return Failure(set.error());
  std::unique_ptr<DonorChannels> made(new DonorChannels(registry, std::move(*set), main));
  for (Part& part : parts) {
    made->lines_.push_back(std::make_unique<Line>(registry, std::move(part), rehearsal));
    Line& line = *made->lines_.back();
    line.copier.set_terms(terms);
    if (auto ok = made->set_.watch(line.channel.fd(), false); !ok) return Failure(ok.error());
  }
  return made;
}

DonorChannels::~DonorChannels() { stop_watching(); }

void DonorChannels::stop_watching() {
  if (registry_.observer == this) registry_.observer = nullptr;
}

Result<void> DonorChannels::begin(Copier::Round round) {
  registry_.observer = this;
  for (auto& line : lines_) {
    line->sent = false;
    if (auto ok = line->copier.begin(round); !ok) return ok;
  }
  return {};
}

Result<bool> DonorChannels::turn(core::Pace::Turn turn) {
  bool more = false;
  for (auto& line : lines_) {
    if (auto ok = read(*line); !ok) return Failure(ok.error());
    const auto pumped = pump(*line, turn);
    if (!pumped) return pumped;
    more = more || *pumped;
  }
  return more;
}

Result<void> DonorChannels::read(Line& line) {
  // As on the main channel: an Ack or two a window; the bound is against one that floods.
  for (int i = 0; i < 64 && !line.closed; ++i) {
    Channel::Message message;
    const auto received = line.channel.recv(message);
    if (!received) return Failure(received.error());
    if (*received == Channel::Received::kWouldBlock) return {};
    if (*received == Channel::Received::kClosed) {
      line.closed = true;
      set_.unwatch(line.channel.fd());
      return {};
    }
    if (message.header.type != Type::kAck || !message.fds.empty()) {
      return fail(
          HANDOFF_ERR_PROTOCOL,
          "the heir sent " + protocol::type_name(message.header.type) + " over a lane's channel");
    }
    const auto ack = protocol::decode<protocol::Ack>(message.body);
    if (!ack) return Failure(ack.error());
    if (!line.copier.acknowledge(ack->frames)) {
      return fail(HANDOFF_ERR_PROTOCOL, "the heir acknowledges frames that were not sent");
    }
    ++signs_;
  }
  return {};
}

Result<bool> DonorChannels::pump(Line& line, core::Pace::Turn turn) {
  line.copier.set_looks(turn.looks);
  bool blocked = false;
  bool more = false;
  while (!line.sent && !line.closed && line.copier.round() > 0) {
    if (turn.frames-- == 0) {
      more = true;
      break;
    }
    const auto pumped = line.copier.pump();
    if (!pumped) return Failure(pumped.error());
    if (*pumped == Copier::Pumped::kSent) continue;
    line.sent = *pumped == Copier::Pumped::kDone;
    blocked = *pumped == Copier::Pumped::kBlocked;
    break;  // kClosed: what the heir has said comes first, and then EOF
  }
  if (!line.closed) {
    if (auto ok = set_.watch(line.channel.fd(), blocked); !ok) return Failure(ok.error());
  }
  return more;
}

bool DonorChannels::sent() const {
  for (const auto& line : lines_) {
    if (!line->sent) return false;
  }
  return true;
}

std::uint64_t DonorChannels::dirty() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->copier.dirty();
  return sum;
}
std::uint64_t DonorChannels::at_heir() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->copier.at_heir();
  return sum;
}
std::uint64_t DonorChannels::sessions_sent() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->copier.sessions_sent();
  return sum;
}
std::uint64_t DonorChannels::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->copier.bytes();
  return sum;
}

std::uint64_t DonorChannels::frames_sent() const {
  std::uint64_t sum = 0;
  for (const auto& line : lines_) sum += line->channel.frames_sent();
  return sum;
}

std::vector<std::uint64_t> DonorChannels::staying() const {
  std::vector<std::uint64_t> all;
  for (const auto& line : lines_) {
    all.insert(all.end(), line->copier.staying().begin(), line->copier.staying().end());
  }
  return all;
}

protocol::Rehearsed DonorChannels::notes() const {
  Rehearsal all;
  for (const auto& line : lines_) {
    if (line->rehearsal) all.add(line->rehearsal->notes);
  }
  return all.notes;
}

Copier* DonorChannels::copier_of(std::uint64_t id) {
  for (auto& line : lines_) {
    if (line->share.has(id)) return &line->copier;
  }
  return main_;
}

void DonorChannels::session_changed(std::uint64_t id, SessionEntry& entry) {
  if (Copier* const copier = copier_of(id)) copier->session_changed(id, entry);
}

void DonorChannels::session_closed(std::uint64_t id, const SessionEntry& entry) {
  if (Copier* const copier = copier_of(id)) copier->session_closed(id, entry);
}

}  // namespace handoff::io
