#include "libhandoff/handoff/heir_driver.h"

#include <utility>

#include "libhandoff/core/negotiation.h"
#include "libhandoff/handoff/greeting.h"
#include "libhandoff/sys/failpoint.h"
#include "libhandoff/sys/fd_limit.h"
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

HeirEvent malformed(std::string text) {
  return {E::kMalformed, {Code::kProtocol, std::move(text)}};
}
HeirEvent refused(core::Reason reason) {
  return {reason.code == Code::kProtocol ? E::kMalformed : E::kRefused, std::move(reason)};
}
HeirEvent refused(const Error& error) { return refused(to_reason(error)); }

bool takes_fds(Type type) {
  return type == Type::kListeners || type == Type::kRegion || type == Type::kRing ||
         type == Type::kSessions || type == Type::kPrepare || type == Type::kLanes;
}

}  // namespace

HeirDriver::HeirDriver(Registry& registry, Poller& poller, Reporter& reporter,
                       HandoffParameters parameters, Channel channel, UniqueFd peer,
                       std::vector<Lane*> lanes)
    : Driver(registry, poller, reporter, parameters, std::move(peer)),
      service_(registry, rehearsal()),
      lanes_(registry, poller, std::move(lanes), std::move(channel), rehearsal()) {}

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
  watch(channel_done_ ? std::nullopt : std::optional<int>(lanes_.main().channel().fd()), false,
        lanes_.own().fd());
}

// ---- what the donor says

// Within handle() (kReadOut) the events queue up and are handled after it, in order.
void HeirDriver::read_channel(bool to_the_end) {
  while (!channel_done_ && !machine_.finished()) {
    Channel::Message message;
    const auto received = lanes_.main().channel().recv(message);
    if (!received) {
      channel_done_ = true;
      return handle_fault(refused(received.error()));
    }
    if (*received == Channel::Received::kWouldBlock) {
      acknowledge(true);
      return;
    }
    if (*received == Channel::Received::kClosed) {
      channel_done_ = true;
      // A donor that has said Prepare may close the channel without being dead: that is not seen
      // before it.
      closed_behind_ = lanes_.main().prepared() && !prepared_;
      if (!closed_behind_) handle({E::kChannelClosed});
      return;
    }
    const std::optional<HeirEvent> event = understand(message);
    if (event && (event->type == E::kMalformed || event->type == E::kRefused)) {
      channel_done_ = to_the_end;
      return handle_fault(*event);
    }
    if (event) handle(*event);
    tell_what_is_complete();
    acknowledge(false);
  }
}

void HeirDriver::acknowledge(bool now) {
  if (copying()) lanes_.main().acknowledge(now);
}

// What the other lines have brought, and what their lanes have said.
void HeirDriver::hear_lanes() {
  if (machine_.finished()) return;
  if (const auto ok = lanes_.own().receive(); !ok) handle_fault(refused(ok.error()));
  if (lanes_.progressed() && copying()) handle({E::kProgress});
  if (auto reason = lanes_.failure(); reason && !lanes_failed_) {
    lanes_failed_ = true;
    handle_fault(refused(std::move(*reason)));
  }
  hear_restored();
  tell_what_is_complete();
  finish_reading_out();
  finish_restoring();
}

// Of all lines: a round, the delta.
void HeirDriver::tell_what_is_complete() {
  if (const std::uint32_t round = lanes_.round(); round > round_) {
    round_ = round;
    handle({E::kCopyEnd});
  }
  if (prepared_ || !lanes_.prepared()) return;
  prepared_ = true;
  const std::uint64_t sessions = lanes_.sessions();
  handle(prepared_sessions_ == sessions
             ? HeirEvent{E::kPrepare}
             : malformed("Prepare counts " + std::to_string(prepared_sessions_) +
                         " sessions, here are " + std::to_string(sessions)));
  if (std::exchange(closed_behind_, false)) handle({E::kChannelClosed});
}

std::optional<HeirEvent> HeirDriver::understand(Channel::Message& message) {
  const Type type = message.header.type;
  if (!takes_fds(type) && !message.fds.empty()) {
    return malformed("the donor sent fds with " + protocol::type_name(type));
  }
  // Until Hello nothing can be applied, and after Prepare nothing of the copy may come.
  const HeirState state = machine_.state();
  const bool may_apply =
      copying() || state == HeirState::kFencing || state == HeirState::kReadingOut;
  if (!may_apply && (takes_fds(type) || type == Type::kSectionChunk || type == Type::kCopyEnd)) {
    return malformed(protocol::type_name(type) + " from the donor in state " +
                     std::string(name(state)));
  }
  const auto applied = [](const Result<void>& ok) {
    return ok ? HeirEvent{E::kProgress} : refused(ok.error());
  };
  const auto complete = [](const Result<void>& ok) {  // by this line
    return ok ? std::nullopt : std::optional(refused(ok.error()));
  };
  switch (type) {
    case Type::kHello:
      return greet(message.body);
    case Type::kListeners: {
      const auto ok = service_.apply_named(message.body, message.fds);
      if (!ok) return refused(ok.error());
      if (!service_.named_complete()) return HeirEvent{E::kProgress};
      if (!lanes_.complete()) return malformed("no Lanes came before the last of the Listeners");
      return HeirEvent{E::kListeners};
    }
    case Type::kLanes:
      return applied(lanes_.open(message.body, message.fds, rehearsal_.has_value()));
    case Type::kRegion:
      return applied(service_.apply_region(message.body, message.fds));
    case Type::kRing:
    case Type::kSessions:
      return applied(lanes_.main().apply(message));
    case Type::kSectionChunk:
      return applied(service_.apply_chunk(message.body, lanes_.main().ring()));
    case Type::kCopyEnd:
      return complete(lanes_.main().apply(message));
    case Type::kPrepare:
      return complete(prepare(message.body, message.fds));
    case Type::kRelease:
      return HeirEvent{E::kRelease};
    case Type::kAbort: {
      auto abort = protocol::decode<protocol::Abort>(message.body);
      if (!abort) return refused(abort.error());
      abort->reason.of_peer = true;
      return HeirEvent{E::kPeerAborted, std::move(abort->reason)};
    }
    default:
      return malformed("the donor sent " + protocol::type_name(type) +
                       ", which is not for an heir");
  }
}

HeirEvent HeirDriver::greet(std::string_view body) {
  if (machine_.state() != HeirState::kWaiting) return malformed("a second Hello from the donor");
  heard_at_ns_ = now_ns();
  const auto theirs = protocol::decode<protocol::Hello>(body);
  if (!theirs) return refused(theirs.error());
  if (theirs->handoff_id != parameters_.id) {
    return malformed("the donor's Hello is of another handoff");
  }
  const auto mine = heir_hello(registry_, parameters_.id, parameters_.spread);
  if (!mine) return refused(mine.error());
  if (rehearsal_) {
    rehearsal_->notes.from = theirs->manifest;
    rehearsal_->notes.to = mine->manifest;
  }
  const auto plan = core::negotiate(offer_of(*theirs), offer_of(*mine));
  if (!plan) return {E::kRefused, plan.error()};
  auto kinds = map_kinds(registry_, theirs->manifest, plan->versions);
  if (!kinds) return refused(kinds.error());
  service_.set_kinds(theirs->manifest, *kinds);
  make_room(theirs->fds_max);
  donor_sessions_ = theirs->sessions;
  const auto unmovable = theirs->unmovable;
  they_stay_ = unmovable == core::Unmovable::kLate;
  lanes_.expect({theirs->lanes, registry_.lanes}, std::move(*kinds), theirs->sessions,
                unmovable != core::Unmovable::kRefuse);
  return {E::kHelloAccepted};
}

// What the donor may have open this process may need as well.
void HeirDriver::make_room(std::uint64_t fds) {
  const std::uint64_t before = FdLimit::now();
  if (!FdLimit().raise(fds == 0 ? FdLimit::most() : fds)) return;
  registry_.log(HANDOFF_LOG_INFO, "the limit of open files (soft RLIMIT_NOFILE) rises from " +
                                      std::to_string(before) + " to " +
                                      std::to_string(FdLimit::now()) +
                                      ", for what the release before may have open");
}

// The sessions are counted when those of all lines are here.
Result<void> HeirDriver::prepare(std::string_view body, const std::vector<UniqueFd>& fds) {
  const auto wrong = [](std::string text) { return fail(HANDOFF_ERR_PROTOCOL, std::move(text)); };
  const auto prepare = protocol::decode<protocol::Prepare>(body);
  if (!prepare) return Failure(prepare.error());
  if (prepare->chunks != service_.chunks()) {
    return wrong("Prepare counts " + std::to_string(prepare->chunks) + " chunks, here are " +
                 std::to_string(service_.chunks()));
  }
  if (fds.size() != 1) {
    return wrong("Prepare comes with " + std::to_string(fds.size()) +
                 " fds, not with the ownership word");
  }
  auto word = OwnershipWord::map(fds[0].get());
  if (!word) return Failure(word.error());
  if (auto ok = lanes_.main().prepare("Prepare", prepare->checksum); !ok) return ok;
  word_ = std::move(*word);
  prepared_sessions_ = prepare->sessions;
  frozen_at_ns_ = prepare->frozen_at_ns;
  prepared_at_ns_ = now_ns();
  late_ = prepare->late;
  closing_ = prepare->closing;
  kept_ids_ = prepare->late_ids;
  kept_ids_.insert(kept_ids_.end(), prepare->closing_ids.begin(), prepare->closing_ids.end());
  return {};
}

// ---- what is said to the donor

void HeirDriver::send_or_refuse(Type type, const std::string& body) {
  const auto sent = lanes_.main().channel().send(type, body);
  if (!sent) {
    handle({E::kRefused, to_reason(sent.error())});
  } else if (*sent == Channel::Sent::kWouldBlock || *sent == Channel::Sent::kFdsInFlight) {
    handle({E::kRefused, {Code::kTimeout, "the donor does not read the channel"}});
  }
  // kClosed shows as EOF, after what the donor still had to say.
}

void HeirDriver::send_hello() {
  auto hello = heir_hello(registry_, parameters_.id, parameters_.spread);
  if (!hello) return handle({E::kRefused, to_reason(hello.error())});
  hello->heard_at_ns = heard_at_ns_;
  const std::uint64_t begun = now_ns();
  try_room_for_the_ring(registry_);
  hello->room_ns = now_ns() - begun;
  send_or_refuse(Type::kHello, encode(*hello));
}

// A donor that can't be told asks the ownership word when its budget is used up.
void HeirDriver::send_resumed() {
  const auto sent = lanes_.main().channel().send(Type::kResumed, {});
  if (!sent) registry_.log(HANDOFF_LOG_WARNING, sent.error().message);
}

std::optional<std::vector<protocol::Refusal>> HeirDriver::refusals() {
  auto refused = lanes_.take_refused();
  if (first_refusal_.empty() && !refused.empty()) first_refusal_ = refused.front().reason;
  // Each line names as many as one message may.
  for (protocol::Refusal& one : refused) {
    if (reasons_told_ == protocol::kMaxUnmovable) one.reason.clear();
    if (!one.reason.empty()) ++reasons_told_;
  }
  const std::uint64_t all = lanes_.refused_in_all();
  const std::uint64_t came = lanes_.came();
  const bool too_many = all > protocol::kMaxRefused;
  if (!core::is_the_releases_fault(all, came) && !too_many) return refused;
  std::string text = first_refusal_;
  if (!core::is_the_releases_fault(all, came)) {
    text += "; " + std::to_string(all) + " sessions are refused, and no more than " +
            std::to_string(protocol::kMaxRefused) + " can be left behind";
  } else if (came > 1) {
    text += "; " + std::to_string(all) + " of " + std::to_string(came) +
            " sessions are refused, and more than half is the release's fault";
  }
  handle({E::kRefused, {Code::kRejected, std::move(text)}});
  return std::nullopt;
}

void HeirDriver::send_copied() {
  auto refused = refusals();
  if (!refused) return;
  send_or_refuse(Type::kCopied,
                 encode(protocol::Copied{round_, lanes_.sessions(), std::move(*refused)}));
}

// The count is that of Prepare: what is refused from here on is the donor's.
void HeirDriver::send_prepared() {
  auto refused = refusals();
  if (!refused) return;
  for (const protocol::Refusal& one : *refused) left_ids_.push_back(one.id);
  send_or_refuse(Type::kPrepared,
                 encode(protocol::Prepared{lanes_.sessions(), std::move(*refused)}));
}

// An Abort that can't be sent is made up for by this process's exit.
void HeirDriver::send_abort() {
  const auto sent =
      lanes_.main().channel().send(Type::kAbort, encode(protocol::Abort{machine_.reason()}));
  if (!sent) registry_.log(HANDOFF_LOG_ERROR, sent.error().message);
}

// ---- what the machine has decided

void HeirDriver::perform(F effect) {
  switch (effect) {
    case F::kSendHello:
      return send_hello();
    case F::kSendCopied:
      return send_copied();
    case F::kRestore:
      return restore();
    case F::kSendPrepared:
      return send_prepared();
    case F::kClaim:
      return claim();
    case F::kSendResumed:
      return send_resumed();
    case F::kKeepUnmoved:
      return keep_unmoved();
    case F::kRun:
      return run();
    case F::kSendAbort:
      return send_abort();
    case F::kFence:
      return fence();
    case F::kReadOut:
      return read_out();
    case F::kGo:
      return go();
  }
}

}  // namespace handoff::io
