#include "libhandoff/handoff/heir_line.h"

#include <string>

#include "libhandoff/protocol/limits.h"

namespace handoff::io {
namespace {

using protocol::Type;

// An Ack is due after this many frames, or when there is nothing left to read.
constexpr std::uint64_t kAckEvery = protocol::kWindow / 2;

Failure malformed(std::string text) { return fail(HANDOFF_ERR_PROTOCOL, std::move(text)); }

}  // namespace

Result<void> HeirLine::apply(Channel::Message& message) {
  const Type type = message.header.type;
  if (prepared_) return malformed(protocol::type_name(type) + " after the end of the delta");
  if (type != Type::kSessions && type != Type::kRing && !message.fds.empty()) {
    return malformed("the donor sent fds with " + protocol::type_name(type));
  }
  switch (type) {
    case Type::kSessions: {
      auto applied = received_.apply(message.body, message.fds, ring_);
      if (received_.took_secret()) channel_.wipe_last();
      return applied;
    }
    case Type::kRing:
      return ring_.apply(message.body, message.fds);
    case Type::kCopyEnd:
      return end_round(message.body);
    case Type::kLanePrepare:
      return end_delta(message.body);
    default:
      return malformed("the donor sent " + protocol::type_name(type) + " over a lane's channel");
  }
}

Result<void> HeirLine::end_round(std::string_view body) {
  const auto end = protocol::decode<protocol::CopyEnd>(body);
  if (!end) return Failure(end.error());
  if (end->sessions != sessions() || end->round != round_ + 1) {
    return malformed("CopyEnd of round " + std::to_string(end->round) + " counts " +
                     std::to_string(end->sessions) + " sessions, here are " +
                     std::to_string(sessions()) + " in round " + std::to_string(round_ + 1));
  }
  round_ = end->round;
  return {};
}

Result<void> HeirLine::end_delta(std::string_view body) {
  const auto end = protocol::decode<protocol::LanePrepare>(body);
  if (!end) return Failure(end.error());
  if (end->sessions != sessions()) {
    return malformed("LanePrepare counts " + std::to_string(end->sessions) +
                     " sessions, here are " + std::to_string(sessions()));
  }
  return prepare("LanePrepare", end->checksum);
}

Result<void> HeirLine::prepare(const char* what, std::uint64_t checksum) {
  if (checksum != channel_.received_hash()) {
    return malformed(std::string(what) + ": the checksum over the copy is wrong");
  }
  prepared_ = true;
  return {};
}

void HeirLine::acknowledge(bool now) {
  const std::uint64_t frames = channel_.frames_received();
  if (frames == acknowledged_ || (!now && frames - acknowledged_ < kAckEvery)) return;
  const auto sent = channel_.send(Type::kAck, encode(protocol::Ack{frames}));
  // One that doesn't fit is made up for by the next: the count is a total. A donor that is gone
  // shows as EOF.
  if (sent && *sent == Channel::Sent::kYes) acknowledged_ = frames;
}

void HeirLine::adopt(bool donor_gone) {
  if (adopted_) return;
  received_.forget_refused(donor_gone);
  adopted_ = received_.sessions();
  received_.adopt();
}

}  // namespace handoff::io
