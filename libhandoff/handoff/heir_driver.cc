#include "libhandoff/handoff/heir_driver.h"

#include <algorithm>
#include <new>
#include <utility>

#include "libhandoff/core/negotiation.h"
#include "libhandoff/sys/failpoint.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {
namespace {

using core::Code;
using core::HeirEvent;
using core::HeirState;
using protocol::Type;
using E = core::HeirEventType;
using F = core::HeirEffect;

// An Ack is due after this many frames, or when there is nothing left to read.
constexpr std::uint64_t kAckEvery = protocol::kWindow / 2;

HeirEvent malformed(std::string text) {
  return {E::kMalformed, {Code::kProtocol, std::move(text)}};
}
HeirEvent refused(const Error& error) {
  const core::Reason reason = to_reason(error);
  return {reason.code == Code::kProtocol ? E::kMalformed : E::kRefused, reason};
}

}  // namespace

HeirDriver::HeirDriver(Registry& registry, Poller& poller, Reporter& reporter,
                       HandoffParameters parameters, Channel channel, UniqueFd peer,
                       std::uint64_t fds_max, std::vector<Lane*> lanes)
    : Driver(registry, poller, reporter, parameters, std::move(peer)),
      channel_(std::move(channel)),
      fds_max_(fds_max),
      received_(registry, rehearsal_ ? &*rehearsal_ : nullptr),
      service_(registry, rehearsal_ ? &*rehearsal_ : nullptr),
      lanes_(registry, poller, std::move(lanes)) {}

HeirDriver::~HeirDriver() { stop_watching(); }

void HeirDriver::start() {
  machine_.start(now_us());
  update_poller();
}

void HeirDriver::cancel(core::Reason reason) {
  read_channel(false);  // a donor that has died is seen first: nobody else is left to own anything
  handle({E::kRefused, std::move(reason)});
  update_poller();
}

void HeirDriver::update_poller() {
  watch(channel_done_ ? std::nullopt : std::optional<int>(channel_.fd()), false, lanes_.fd());
}

// Within handle() (kReadOut) the events queue up and are handled after it, in order.
void HeirDriver::read_channel(bool to_the_end) {
  while (!channel_done_ && !machine_.finished()) {
    Channel::Message message;
    const auto received = channel_.recv(message);
    if (!received) {
      channel_done_ = true;
      handle(refused(received.error()));
      return;
    }
    if (*received == Channel::Received::kWouldBlock) {
      acknowledge(true);
      return;
    }
    if (*received == Channel::Received::kClosed) {
      channel_done_ = true;
      deliver({E::kChannelClosed});
      return;
    }
    HeirEvent event = understand(message);
    const bool broken = event.type == E::kMalformed || event.type == E::kRefused;
    deliver(std::move(event));
    if (broken) {
      channel_done_ = to_the_end;
      return;
    }
    acknowledge(false);
  }
}

// What the main channel says of a round or of the delta is told once it is true of all channels. A
// donor that has said Prepare may close the channel without being dead: that is not seen before it.
void HeirDriver::deliver(HeirEvent event) {
  if (lanes_.alone()) return handle(std::move(event));
  if (event.type == E::kCopyEnd || event.type == E::kPrepare) {
    held_ = std::move(event);
  } else if (event.type == E::kChannelClosed && held_ && held_->type == E::kPrepare) {
    behind_it_ = std::move(event);
  } else {
    handle(std::move(event));
  }
}

// What the other channels have brought, and what their lanes have said.
void HeirDriver::hear_lanes() {
  if (lanes_.alone() || machine_.finished()) return;
  if (const auto ok = lanes_.receive(); !ok) handle(refused(ok.error()));
  const HeirState state = machine_.state();
  const bool copying = state == HeirState::kReceiving || state == HeirState::kCopied;
  if (lanes_.progressed() && copying) handle({E::kProgress});
  if (auto reason = lanes_.failure(); reason && !lanes_failed_) {
    lanes_failed_ = true;
    handle({reason->code == Code::kProtocol ? E::kMalformed : E::kRefused, std::move(*reason)});
  }
  if (held_) settle_held();
  if (reading_out_ && lanes_.read_out_done()) {
    reading_out_ = false;
    held_.reset();  // what is not complete by now will never be
    handle({E::kReadOut});
  }
  if (restoring_ && lanes_.restored()) {
    restoring_ = false;
    finish_restoring();
  }
}

void HeirDriver::settle_held() {
  if (held_->type == E::kCopyEnd) {
    if (!lanes_.round_complete(round_)) return;
  } else {
    if (!lanes_.prepared()) return;
    if (prepared_sessions_ != sessions()) {
      held_ = malformed("Prepare counts " + std::to_string(prepared_sessions_) +
                        " sessions, here are " + std::to_string(sessions()));
    }
  }
  handle(*std::exchange(held_, std::nullopt));
  if (behind_it_) handle(*std::exchange(behind_it_, std::nullopt));
}

void HeirDriver::acknowledge(bool now) {
  const HeirState state = machine_.state();
  if (state != HeirState::kReceiving && state != HeirState::kCopied) return;
  const std::uint64_t frames = channel_.frames_received();
  if (frames == acknowledged_ || (!now && frames - acknowledged_ < kAckEvery)) return;
  const auto sent = channel_.send(Type::kAck, encode(protocol::Ack{frames}));
  // One that doesn't fit is made up for by the next: the count is a total. A donor that is gone
  // shows as EOF.
  if (sent && *sent == Channel::Sent::kYes) acknowledged_ = frames;
}

HeirEvent HeirDriver::understand(Channel::Message& message) {
  const Type type = message.header.type;
  const bool takes_fds = type == Type::kListeners || type == Type::kRegion || type == Type::kRing ||
                         type == Type::kSessions || type == Type::kPrepare || type == Type::kLanes;
  if (!takes_fds && !message.fds.empty()) {
    return malformed("the donor sent fds with " + protocol::type_name(type));
  }
  // Until Hello nothing can be applied, and after Prepare nothing of the copy may come.
  const HeirState state = machine_.state();
  const bool copying = state == HeirState::kReceiving || state == HeirState::kCopied ||
                       state == HeirState::kFencing || state == HeirState::kReadingOut;
  const auto applied = [&](const Result<void>& ok) -> HeirEvent {
    if (!ok) return refused(ok.error());
    return {E::kProgress};
  };
  if (!copying && (takes_fds || type == Type::kSectionChunk || type == Type::kCopyEnd)) {
    return malformed(protocol::type_name(type) + " from the donor in state " +
                     std::string(name(state)));
  }
  switch (type) {
    case Type::kHello:
      return greet(message.body);
    case Type::kListeners: {
      const auto ok = service_.apply_named(message.body, message.fds);
      if (!ok) return refused(ok.error());
      if (!service_.named_complete()) return {E::kProgress};
      if (!lanes_.complete()) return malformed("no Lanes came before the last of the Listeners");
      return {E::kListeners};
    }
    case Type::kLanes:
      return applied(lanes_.open(message.body, message.fds, rehearsal_.has_value()));
    case Type::kRegion:
      return applied(service_.apply_region(message.body, message.fds));
    case Type::kRing:
      return applied(ring_.apply(message.body, message.fds));
    case Type::kSessions:
      return applied(received_.apply(message.body, message.fds, ring_));
    case Type::kSectionChunk:
      return applied(service_.apply_chunk(message.body, ring_));
    case Type::kCopyEnd: {
      const auto end = protocol::decode<protocol::CopyEnd>(message.body);
      if (!end) return refused(end.error());
      if (end->sessions != received_.sessions() || end->round != round_ + 1) {
        return malformed("CopyEnd of round " + std::to_string(end->round) + " counts " +
                         std::to_string(end->sessions) + " sessions, here are " +
                         std::to_string(received_.sessions()) + " in round " +
                         std::to_string(round_ + 1));
      }
      round_ = end->round;
      return {E::kCopyEnd};
    }
    case Type::kPrepare:
      return prepare(message.body, message.fds);
    case Type::kRelease:
      return {E::kRelease};
    case Type::kAbort: {
      auto abort = protocol::decode<protocol::Abort>(message.body);
      if (!abort) return refused(abort.error());
      return {E::kPeerAborted, std::move(abort->reason)};
    }
    default:
      return malformed("the donor sent " + protocol::type_name(type) +
                       ", which is not for an heir");
  }
}

HeirEvent HeirDriver::greet(std::string_view body) {
  if (machine_.state() != HeirState::kWaiting) return malformed("a second Hello from the donor");
  auto hello = protocol::decode<protocol::Hello>(body);
  if (!hello) return refused(hello.error());
  if (hello->handoff_id != parameters_.id)
    return malformed("the donor's Hello is of another handoff");
  auto manifest = registry_.manifest(false);
  if (!manifest) return refused(manifest.error());
  if (rehearsal_) {
    rehearsal_->notes.from = hello->manifest;
    rehearsal_->notes.to = *manifest;
  }
  const auto plan = core::negotiate({.protocol_min = hello->protocol_min,
                                     .protocol_max = hello->protocol_max,
                                     .lane = hello->lane,
                                     .lanes = hello->lanes,
                                     .manifest = hello->manifest,
                                     .links = hello->links,
                                     .drain_incompatible = hello->drain_incompatible},
                                    {.protocol_min = protocol::kVersionMin,
                                     .protocol_max = protocol::kVersionMax,
                                     .lanes = registry_.lanes,
                                     .manifest = std::move(*manifest),
                                     .links = registry_.can_link()});
  if (!plan) return {E::kRefused, plan.error()};
  lanes_.expect({hello->lanes, registry_.lanes}, hello->manifest, plan->versions);
  auto kinds = map_kinds(registry_, hello->manifest, plan->versions);
  if (!kinds) return refused(kinds.error());
  received_.set_kinds(*kinds);
  service_.set_kinds(hello->manifest, std::move(*kinds));
  donor_sessions_ = hello->sessions;
  received_.expect(hello->sessions);
  return {E::kHelloAccepted};
}

HeirEvent HeirDriver::prepare(std::string_view body, const std::vector<UniqueFd>& fds) {
  const auto prepare = protocol::decode<protocol::Prepare>(body);
  if (!prepare) return refused(prepare.error());
  // With several channels the sum is looked at when all of them are complete.
  prepared_sessions_ = prepare->sessions;
  const bool right = !lanes_.alone() || prepare->sessions == received_.sessions();
  if (!right || prepare->chunks != service_.chunks()) {
    return malformed("Prepare counts " + std::to_string(prepare->sessions) + " sessions and " +
                     std::to_string(prepare->chunks) + " chunks, here are " +
                     std::to_string(received_.sessions()) + " and " +
                     std::to_string(service_.chunks()));
  }
  if (prepare->checksum != channel_.received_hash()) {
    return malformed("Prepare: the checksum over the copy is wrong");
  }
  if (fds.size() != 1) {
    return malformed("Prepare comes with " + std::to_string(fds.size()) +
                     " fds, not with the deed");
  }
  auto deed = Deed::map(fds[0].get());
  if (!deed) return refused(deed.error());
  deed_ = std::move(*deed);
  frozen_at_ns_ = prepare->frozen_at_ns;
  late_ = prepare->late;
  return {E::kPrepare};
}

void HeirDriver::send_or_refuse(Type type, const std::string& body) {
  const auto sent = channel_.send(type, body);
  if (!sent) {
    handle({E::kRefused, to_reason(sent.error())});
  } else if (*sent == Channel::Sent::kWouldBlock || *sent == Channel::Sent::kFdsInFlight) {
    handle({E::kRefused, {Code::kTimeout, "the donor does not read the channel"}});
  }
  // kClosed shows as EOF, after what the donor still had to say.
}

void HeirDriver::send_hello() {
  protocol::Hello hello;
  hello.protocol_min = protocol::kVersionMin;
  hello.protocol_max = protocol::kVersionMax;
  hello.handoff_id = parameters_.id;
  hello.lanes = registry_.lanes;
  hello.fds_max = fds_max_;
  hello.links = registry_.can_link();
  hello.ring_sessions = true;
  hello.looks = true;
  auto manifest = registry_.manifest(false);
  if (!manifest) {
    handle({E::kRefused, to_reason(manifest.error())});
    return;
  }
  hello.manifest = std::move(*manifest);
  send_or_refuse(Type::kHello, encode(hello));
}

// A donor that can't be told asks the deed when its budget is used up.
void HeirDriver::send_resumed() {
  const auto sent = channel_.send(Type::kResumed, {});
  if (!sent) registry_.log(HANDOFF_LOG_WARNING, sent.error().message);
}

// Whatever came of it: how it ended is said by Failed, which follows.
void HeirDriver::report_rehearsal() {
  protocol::Rehearsed& notes = rehearsal_->notes;
  notes.handoff_id = parameters_.id;
  notes.complete = machine_.reason() == core::Reason{Code::kCancelled, core::kRehearsed};
  notes.early = registry_.callbacks.update != nullptr;
  received_.count();
  service_.count();
  lanes_.add_notes(*rehearsal_);
  rehearsal_->weigh(true);
  reporter_.rehearsed(notes);
}

// The sections are finished when the sessions of all lanes are restored.
void HeirDriver::restore() {
  auto ok = lanes_.restore();
  if (ok && !lanes_.alone()) ok = received_.restore();
  if (!ok) {
    handle({E::kRefused, to_reason(ok.error())});
  } else if (lanes_.alone()) {
    finish_restoring();
  } else {
    restoring_ = true;  // hear_lanes() goes on
  }
}

void HeirDriver::finish_restoring() {
  auto ok = received_.restore();
  if (ok) ok = service_.restore();
  failpoint::hit("heir.restore.after");
  if (ok) {
    handle({E::kRestored});
  } else {
    handle({E::kRefused, to_reason(ok.error())});
  }
}

std::uint64_t HeirDriver::lost() const {
  const std::uint64_t lost = received_.lost() + lanes_.lost();
  if (lanes_.alone() || !keep_) return lost;
  // What the donor had and never sent is lost, too.
  return std::max(lost, donor_sessions_ - std::min(donor_sessions_, adopted()));
}

std::vector<std::uint64_t> HeirDriver::lost_ids() const {
  std::vector<std::uint64_t> ids = received_.lost_ids();
  for (const std::uint64_t id : lanes_.lost_ids()) {
    if (ids.size() < SessionReceiver::kNamedLost) ids.push_back(id);
  }
  return ids;
}

void HeirDriver::perform(F effect) {
  switch (effect) {
    case F::kSendHello:
      send_hello();
      return;
    case F::kSendCopied:
      send_or_refuse(Type::kCopied, encode(protocol::Copied{round_, sessions()}));
      return;
    case F::kRestore: {
      const int error = failpoint::hit("heir.restore.before");
      if (error != 0) {
        failpoint::hit("heir.restore.after");
        handle({E::kRefused, to_reason(Error::from_errno(error, "restoring the sessions"))});
      } else {
        restore();
      }
      return;
    }
    case F::kSendPrepared:
      send_or_refuse(Type::kPrepared, encode(protocol::Prepared{sessions()}));
      return;
    case F::kClaim:
      claim();
      return;
    case F::kSendResumed:
      send_resumed();
      return;
    case F::kKeepUnmoved:
      failpoint::hit("heir.keep.before");
      keep_ = true;
      service_.start_empty();
      received_.keep_unmoved(lanes_.alone() ? donor_sessions_ : 0);
      service_.bind();
      registry_.log(HANDOFF_LOG_WARNING,
                    "the donor died in mid-copy: " + std::to_string(received_.sessions()) +
                        " sessions kept, " + std::to_string(received_.lost()) + " lost");
      failpoint::hit("heir.keep.after");
      return;
    case F::kRun:
      failpoint::hit("heir.run.before");
      adopted_ = received_.sessions();
      received_.adopt();
      service_.adopt();
      lanes_.run(keep_);  // what the service has as a whole is its own by now
      failpoint::hit("heir.run.after");
      return;
    case F::kSendAbort: {
      const auto sent = channel_.send(Type::kAbort, encode(protocol::Abort{machine_.reason()}));
      // One that can't be sent is made up for by this process's exit.
      if (!sent) registry_.log(HANDOFF_LOG_ERROR, sent.error().message);
      return;
    }
    case F::kFence:
      failpoint::hit("heir.fence.before");
      registry_.log(HANDOFF_LOG_WARNING,
                    "the donor's channel is closed: making sure that it is gone");
      if (const auto ok = kill_process(peer_.get()); !ok) {
        registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
      }
      failpoint::hit("heir.fence.after");
      return;
    case F::kReadOut:
      try {
        read_channel(true);
        if (!lanes_.alone()) {
          reading_out_ = true;
          if (const auto ok = lanes_.read_out(); !ok) handle(refused(ok.error()));
          return;  // hear_lanes() goes on
        }
      } catch (const std::bad_alloc&) {
        handle({E::kRefused, out_of_memory()});  // and goes on: nobody else is left
      }
      if (!reading_out_) handle({E::kReadOut});
      return;
    case F::kGo:
      failpoint::hit("heir.go.before");
      registry_.log(
          rehearsal_ ? HANDOFF_LOG_INFO : HANDOFF_LOG_WARNING,
          (rehearsal_ ? "this rehearsing heir goes: " : "handoff failed, this heir goes: ") +
              machine_.reason().text);
      if (rehearsal_) report_rehearsal();
      lanes_.go(machine_.reason().text);
      received_.drop();
      service_.drop();
      failpoint::hit("heir.go.after");
      return;
  }
}

}  // namespace handoff::io
