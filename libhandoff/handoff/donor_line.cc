#include "libhandoff/handoff/donor_line.h"

namespace handoff::io {

using protocol::Type;

DonorLine::DonorLine(Registry& registry, Channel channel, bool rehearses)
    : channel_(std::move(channel)),
      rehearsal_(rehearses ? std::make_optional<Rehearsal>() : std::nullopt),
      frames_(*channel_),
      ring_(frames_),
      sessions_(registry, frames_, ring_, rehearsal_ ? &*rehearsal_ : nullptr) {}

ServiceSender& DonorLine::service() { return *service_; }
const ServiceSender& DonorLine::service() const { return *service_; }
Channel& DonorLine::channel() { return *channel_; }

void DonorLine::set_terms(const Terms& terms, core::Share share) {
  sessions_.set_terms(terms, share);
  if (service_) service_->set_terms(terms);
}

std::optional<int> DonorLine::fd() const {
  return channel_ ? std::optional<int>(channel_->fd()) : std::nullopt;
}

Result<void> DonorLine::acknowledge(std::string_view body) {
  const auto ack = protocol::decode<protocol::Ack>(body);
  if (!ack) return Failure(ack.error());
  if (frames_.acknowledge(ack->frames)) {
    sessions_.acknowledged();
    return {};
  }
  return fail(HANDOFF_ERR_PROTOCOL, "the heir acknowledges frames that were not sent");
}

Result<std::uint64_t> DonorLine::hear() {
  // An Ack or two a window; the bound is against an heir that floods.
  constexpr std::uint64_t kAtOnce = 64;
  std::uint64_t acks = 0;
  while (acks < kAtOnce && !ended_) {
    Channel::Message message;
    const auto received = channel_->recv(message);
    if (!received) return Failure(received.error());
    if (*received == Channel::Received::kWouldBlock) break;
    if (*received == Channel::Received::kClosed) {
      ended_ = true;
      break;
    }
    if (message.header.type != Type::kAck || !message.fds.empty()) {
      return fail(
          HANDOFF_ERR_PROTOCOL,
          "the heir sent " + protocol::type_name(message.header.type) + " over a lane's channel");
    }
    if (auto ok = acknowledge(message.body); !ok) return Failure(ok.error());
    ++acks;
  }
  return acks;
}

Result<void> DonorLine::begin(Round round) {
  kind_of_round_ = round;
  ++round_;
  part_ = Part::kFirst;
  last_ = Pumped::kSent;
  sessions_.begin(round);
  return service_ ? service_->begin(round) : Result<void>{};
}

void DonorLine::begin_turn(core::Pace::Turn turn) {
  frames_left_ = turn.frames;
  frames_of_turn_ = 0;
  sessions_.set_looks(turn.looks);
}

Result<Pumped> DonorLine::pump() {
  Result<Pumped> pumped = Pumped::kTurn;
  if (frames_left_ > 0 || kind_of_round_ == Round::kFrozen || sent()) pumped = next();
  if (!pumped) return pumped;
  last_ = *pumped;
  if (last_ == Pumped::kSent || last_ == Pumped::kLooked) {
    --frames_left_;
    ++frames_of_turn_;
  }
  return pumped;
}

Result<Pumped> DonorLine::next() {
  if (part_ == Part::kDone) return Pumped::kDone;
  if (ended_) return Pumped::kClosed;
  if (frames_.full()) return Pumped::kWindow;
  Result<Pumped> sent = Pumped::kDone;
  if (part_ == Part::kFirst) {
    if (service_) sent = service_->send_first();
    if (!sent || *sent != Pumped::kDone) return sent;
    part_ = Part::kSessions;
  }
  if (part_ == Part::kSessions) {
    sent = sessions_.send();
    if (!sent || *sent != Pumped::kDone) return sent;
    part_ = Part::kChunks;
  }
  if (part_ == Part::kChunks) {
    if (service_) sent = service_->send_chunk();
    if (!sent || *sent != Pumped::kDone) return sent;
    part_ = Part::kEnd;
  }
  sent = send_end();
  if (!sent || *sent != Pumped::kSent) return sent;
  part_ = Part::kDone;
  return Pumped::kDone;
}

Result<Pumped> DonorLine::send_end() {
  const std::uint64_t at_heir = sessions_.progress().at_heir;
  if (kind_of_round_ != Round::kFrozen) {
    return frames_.send(Type::kCopyEnd, encode(protocol::CopyEnd{round_, at_heir}));
  }
  if (service_) return send_prepare();
  return frames_.send(Type::kLanePrepare, encode(protocol::LanePrepare{at_heir, frames_.hash()}));
}

Result<Pumped> DonorLine::send_prepare() {
  if (!prepare_) return Pumped::kHeld;
  prepare_->chunks = service_->chunks();
  prepare_->checksum = frames_.hash();
  return frames_.send(Type::kPrepare, encode(*prepare_), {&word_fd_, 1});
}

void DonorLine::prepare(const protocol::Prepare& prepare, int word_fd) {
  prepare_ = prepare;
  word_fd_ = word_fd;
}

Progress DonorLine::progress() const {
  Progress progress = sessions_.progress();
  if (service_) progress.bytes += service_->bytes();
  return progress;
}

}  // namespace handoff::io
