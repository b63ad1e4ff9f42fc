#include "libhandoff/handoff/donor_driver.h"

#include <time.h>

#include <algorithm>
#include <new>
#include <unordered_set>
#include <utility>

#include "libhandoff/core/negotiation.h"
#include "libhandoff/sys/failpoint.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {
namespace {

using core::Code;
using core::DonorEvent;
using core::DonorState;
using protocol::Type;
using E = core::DonorEventType;
using F = core::DonorEffect;

constexpr std::uint64_t kReportEveryNs = 50'000'000;
// Frozen: between two looks at the deadline.
constexpr int kFramesFrozen = 8;
// Besides the sessions and named fds: what a process has open anyway, and the copy's own.
constexpr std::uint64_t kSpareFds = 64;

// Resumed wakes this thread where its heir runs, and in the heir's place: what is torn down here
// first, a region of 1 GiB, thousands of sessions, would be 2 to 5 ms of blackout. A moment later
// the heir's loop has turned, and the scheduler finds another processor for one of the two.
void stand_back() {
  const timespec moment{.tv_sec = 0, .tv_nsec = 1'000'000};
  (void)::nanosleep(&moment, nullptr);
}

core::Offer offer_of(const protocol::Hello& hello) {
  return {.protocol_min = hello.protocol_min,
          .protocol_max = hello.protocol_max,
          .lane = hello.lane,
          .lanes = hello.lanes,
          .manifest = hello.manifest,
          .links = hello.links};
}

}  // namespace

DonorDriver::DonorDriver(Registry& registry, Poller& poller, Reporter& reporter,
                         HandoffParameters parameters, Channel channel, UniqueFd peer,
                         std::vector<Copier::LinkEnd> links, std::vector<Lane*> lanes)
    : Driver(registry, poller, reporter, parameters, std::move(peer)),
      channel_(std::move(channel)),
      lanes_(registry, poller, std::move(lanes)),
      links_(std::move(links)) {
  copier_.emplace(registry_, *channel_, rehearsal_ ? &*rehearsal_ : nullptr);
}

DonorDriver::~DonorDriver() { stop_watching(); }

void DonorDriver::start() {
  machine_.start(now_us());
  started_at_ns_ = now_ns();
  protocol::Hello hello;
  hello.protocol_min = protocol::kVersionMin;
  hello.protocol_max = protocol::kVersionMax;
  hello.handoff_id = parameters_.id;
  hello.lanes = registry_.lanes;
  hello.sessions = sessions();
  hello.links = registry_.can_link();
  hello.drain_incompatible = drains();
  auto manifest = registry_.manifest(true);
  if (!manifest) {
    handle({E::kRefused, to_reason(manifest.error())});
  } else if (auto reason = not_progressive()) {
    handle({E::kRefused, std::move(*reason)});
  } else {
    hello.manifest = std::move(*manifest);
    const auto sent = channel_->send(Type::kHello, encode(hello));
    if (!sent) {
      handle({E::kRefused, to_reason(sent.error())});
    } else if (*sent == Channel::Sent::kClosed) {
      handle({E::kChannelClosed});
    }
    // A new channel takes one message; were it full, the heir's Hello would never come and the
    // timer would say so.
  }
  update_poller();
}

void DonorDriver::cancel(core::Reason reason) {
  handle({E::kRefused, std::move(reason)});
  update_poller();
}

void DonorDriver::begin_turn() {
  turn_ = pace_.begin(thread_time_ns());
  copier_->set_looks(turn_.looks);
  sent_ = 0;
  lanes_sent_ = lanes_.frames_sent();
}

void DonorDriver::end_turn() {
  pace_.end(thread_time_ns(),
            static_cast<std::uint64_t>(sent_) + lanes_.frames_sent() - lanes_sent_);
}

void DonorDriver::update_poller() {
  const bool open = channel_ && !channel_done_;
  watch(open ? std::optional<int>(channel_->fd()) : std::nullopt, want_write_, lanes_.fd());
}

void DonorDriver::read() {
  if (!channel_ || channel_done_) return;
  // The heir sends a handful of messages a round; the bound is against one that floods.
  for (int i = 0; i < 64 && channel_ && !channel_done_; ++i) {
    Channel::Message message;
    const auto received = channel_->recv(message);
    if (!received) {
      channel_done_ = true;
      handle({E::kMalformed, to_reason(received.error())});
      return;
    }
    if (*received == Channel::Received::kWouldBlock) return;
    if (*received == Channel::Received::kClosed) {
      channel_done_ = true;
      handle({E::kChannelClosed});
      return;
    }
    if (several_ && message.header.type == Type::kCopied &&
        machine_.state() == DonorState::kCopying) {
      // It may be faster than the lanes are to say that they are through.
      if (auto early = protocol::decode<protocol::Copied>(message.body)) {
        copied_ = *early;
        continue;
      }
    }
    handle(understand(message));
  }
}

DonorEvent DonorDriver::copied(const protocol::Copied& copied) const {
  if (copied.round != machine_.round() || copied.sessions != at_heir()) {
    return {E::kMalformed, {Code::kProtocol, "the heir confirms another copy than was sent"}};
  }
  return {E::kCopied, {}, copier_->dirty() + lanes_.dirty(), sessions()};
}

DonorEvent DonorDriver::understand(const Channel::Message& message) {
  const auto malformed = [](std::string text) {
    return DonorEvent{E::kMalformed, {Code::kProtocol, std::move(text)}};
  };
  if (!message.fds.empty()) {
    return malformed("the heir sent fds with " + protocol::type_name(message.header.type));
  }
  switch (message.header.type) {
    case Type::kHello:
      return greet(message.body);
    case Type::kAck: {
      const auto ack = protocol::decode<protocol::Ack>(message.body);
      if (!ack) return malformed(ack.error().message);
      if (!copier_->acknowledge(ack->frames)) {
        return malformed("the heir acknowledges frames that were not sent");
      }
      return {E::kProgress};
    }
    case Type::kCopied: {
      const auto said = protocol::decode<protocol::Copied>(message.body);
      if (!said) return malformed(said.error().message);
      return copied(*said);
    }
    case Type::kPrepared: {
      const auto prepared = protocol::decode<protocol::Prepared>(message.body);
      if (!prepared) return malformed(prepared.error().message);
      if (prepared->sessions != at_heir()) {
        return malformed("the heir is prepared for another number of sessions than was sent");
      }
      return {E::kPrepared};
    }
    case Type::kResumed:
      return {E::kResumed};
    case Type::kAbort: {
      auto abort = protocol::decode<protocol::Abort>(message.body);
      if (!abort) return malformed(abort.error().message);
      return {E::kPeerAborted, std::move(abort->reason)};
    }
    default:
      return malformed("the heir sent " + protocol::type_name(message.header.type) +
                       ", which is not for a donor");
  }
}

DonorEvent DonorDriver::greet(std::string_view body) {
  const auto refused = [](core::Reason reason) {
    return DonorEvent{E::kRefused, std::move(reason)};
  };
  const auto hello = protocol::decode<protocol::Hello>(body);
  if (!hello) return {E::kMalformed, to_reason(hello.error())};
  if (hello->handoff_id != parameters_.id) {
    return {E::kMalformed, {Code::kProtocol, "the heir's Hello is of another handoff"}};
  }
  auto manifest = registry_.manifest(true);
  if (!manifest) return refused(to_reason(manifest.error()));
  const std::size_t named = manifest->named.size();
  const auto plan = core::negotiate({.protocol_min = protocol::kVersionMin,
                                     .protocol_max = protocol::kVersionMax,
                                     .lanes = registry_.lanes,
                                     .manifest = std::move(*manifest),
                                     .links = registry_.can_link(),
                                     .drain_incompatible = drains()},
                                    offer_of(*hello));
  if (!plan) return refused(plan.error());
  const core::Lanes lanes{registry_.lanes, hello->lanes};
  const std::uint64_t needed =
      sessions() + named + registry_.regions.size() + lanes.channels() - 1 + kSpareFds;
  if (needed > hello->fds_max) {
    return refused({Code::kResources, "the new process may open " + std::to_string(hello->fds_max) +
                                          " fds and needs about " + std::to_string(needed) +
                                          "; raise RLIMIT_NOFILE (LimitNOFILE=)"});
  }
  heir_links_ = hello->links && registry_.can_link();
  const Copier::Terms terms{.versions = plan->versions,
                            .ring_sessions = hello->ring_sessions,
                            .heir_looks = hello->looks};
  copier_->set_terms(terms);
  if (rehearsal_) rehearsal_->notes.round_trip_ns = now_ns() - started_at_ns_;
  if (heir_links_) copier_->set_links(links_);
  copier_->set_spread(parameters_.spread);
  if (parameters_.spread != 0 && !heir_links_) {
    return refused({Code::kRejected, "the new release can't take sessions one after the other"});
  }
  several_ = lanes.channels() > 1;
  if (!several_) return {E::kHelloAccepted};
  const auto opened = lanes_.open(lanes, *channel_, *copier_, terms, rehearsal_.has_value());
  if (!opened) return refused(to_reason(opened.error()));
  return {E::kHelloAccepted};
}

// What the other lanes have said.
void DonorDriver::hear_lanes() {
  if (!several_ || machine_.finished()) return;
  if (auto reason = lanes_.failure()) handle({E::kRefused, std::move(*reason)});
  const bool alive = lanes_.progressed();
  const DonorState state = machine_.state();
  if (alive && (state == DonorState::kCopying || state == DonorState::kAwaitingCopied)) {
    handle({E::kProgress});
  }
}

// Nothing is to be sent, but what comes must be read.
void DonorDriver::hear_acks() {
  if (!several_ || machine_.finished()) return;
  const auto heard = lanes_.turn({.frames = 0});
  if (!heard) handle({E::kRefused, to_reason(heard.error())});
}

// The channels of lane 0 but the main one. False: the other lanes are not frozen yet.
bool DonorDriver::pump_lanes(bool frozen) {
  if (frozen && !saving_) {
    if (!lanes_.frozen()) {
      hear_acks();
      return false;
    }
    begin_delta();
  }
  const int left = turn_.frames - static_cast<int>(lanes_.frames_sent() - lanes_sent_);
  const auto turned =
      lanes_.turn({.frames = frozen ? kFramesFrozen : std::max(left, 0), .looks = turn_.looks});
  if (!turned) {
    handle({E::kRefused, to_reason(turned.error())});
  } else if (*turned) {
    poller_.wake();  // the rest in the loop's next turn
  }
  if (frozen && lanes_.saved()) {
    copier_->release_prepare(lanes_.at_heir(), lanes_.staying().size());
  }
  return true;
}

void DonorDriver::go_on() {
  want_write_ = false;
  hear_lanes();
  if (machine_.state() == DonorState::kReleasing) send_release();
  while (true) {
    const bool frozen = machine_.state() == DonorState::kFrozen;
    if (!frozen && machine_.state() != DonorState::kCopying) {
      hear_acks();
      return;
    }
    if (several_ && !pump_lanes(frozen)) return;
    if (machine_.state() != (frozen ? DonorState::kFrozen : DonorState::kCopying)) continue;
    if (!frozen && sent_ >= turn_.frames) {
      want_write_ = true;  // the rest in the loop's next turn
      break;
    }
    // A save() that takes its time must not hide that the budget is used up.
    if (machine_.deadline() && now_us() >= *machine_.deadline()) {
      read();
      handle({E::kTimer});
      continue;
    }
    const auto pumped = copier_->pump();
    if (pumped && *pumped == Copier::Pumped::kSent) {
      ++sent_;
    } else if (!pumped) {
      handle({E::kRefused, to_reason(pumped.error())});
    } else if (*pumped == Copier::Pumped::kDone) {
      if (several_ && !frozen && !lanes_.round_sent()) break;
      handle({frozen ? E::kDeltaSent : E::kRoundSent});
      if (copied_ && machine_.state() == DonorState::kAwaitingCopied) {
        handle(copied(*std::exchange(copied_, std::nullopt)));
      }
    } else if (*pumped == Copier::Pumped::kClosed) {
      // Not yet an event: what the heir said before it left comes first, and then EOF.
      return;
    } else if (*pumped == Copier::Pumped::kBlocked) {
      want_write_ = true;
      break;
    } else if (*pumped == Copier::Pumped::kWindow || *pumped == Copier::Pumped::kHeld) {
      break;
    }
  }
  if (now_ns() - reported_at_ns_ > kReportEveryNs) report(protocol::Phase::kCopy);
}

void DonorDriver::report(protocol::Phase phase) {
  reported_at_ns_ = now_ns();
  reporter_.progress({.handoff_id = parameters_.id,
                      .phase = phase,
                      .at_ns = reported_at_ns_,
                      .sessions_sent = copier_->sessions_sent() + lanes_.sessions_sent(),
                      .sessions_total = sessions(),
                      .bytes = copier_->bytes() + lanes_.bytes(),
                      .round = copier_->round()});
}

void DonorDriver::send_release() {
  const auto sent = channel_->send(Type::kRelease, {});
  if (!sent) {
    handle({E::kRefused, to_reason(sent.error())});
  } else if (*sent == Channel::Sent::kYes) {
    handle({E::kReleaseSent});
  } else if (*sent == Channel::Sent::kClosed) {
    handle({E::kChannelClosed});
  } else {
    want_write_ = true;
  }
}

void DonorDriver::send_abort() {
  const auto sent = channel_->send(Type::kAbort, encode(protocol::Abort{machine_.reason()}));
  if (!sent || *sent == Channel::Sent::kWouldBlock || *sent == Channel::Sent::kFdsInFlight) {
    handle({E::kAbortUnsendable});
  } else {
    handle({*sent == Channel::Sent::kYes ? E::kAbortSent : E::kChannelClosed});
  }
}

void DonorDriver::perform(F effect) {
  switch (effect) {
    case F::kStartRound: {
      const bool first = copier_->round() == 0;
      if (first) {  // now: in the freeze there is no time to run out of memory
        auto deed = Deed::make();
        if (!deed) {
          handle({E::kRefused, to_reason(deed.error())});
          return;
        }
        deed_ = std::move(*deed);
      }
      // First: a lane with several channels hears of changes itself, and passes them on.
      const auto lanes = several_ ? lanes_.begin_round(machine_.round()) : Result<void>{};
      if (!lanes) handle({E::kRefused, to_reason(lanes.error())});
      const auto begun = copier_->begin(first ? Copier::Round::kFirst : Copier::Round::kAgain);
      if (!begun) handle({E::kRefused, to_reason(begun.error())});
      report(protocol::Phase::kCopy);
      return;
    }
    case F::kFreeze: {
      failpoint::hit("donor.freeze.before");
      frozen_at_ns_ = now_ns();
      const auto resting = reporter_.rest_links(now_us() + parameters_.limits.budget / 2);
      if (!resting) {
        handle({E::kRefused, {Code::kTimeout, resting.error().message}});
        return;
      }
      if (several_) lanes_.freeze();  // side by side
      if (registry_.callbacks.freeze != nullptr) {
        const auto ok = registry_.call(
            "freeze()", [&] { return registry_.callbacks.freeze(registry_.callbacks_user); });
        if (!ok) {
          handle({E::kRefused, to_reason(ok.error())});
          return;
        }
      }
      if (auto reason = not_progressive()) {
        handle({E::kRefused, std::move(*reason)});
        return;
      }
      // Lanes may share state: nothing is saved before all of them are frozen.
      if (!several_) begin_delta();
      report(protocol::Phase::kSwitch);
      failpoint::hit("donor.freeze.after");
      return;
    }
    case F::kSendRelease:
      send_release();
      return;
    case F::kClaim:
      claim();
      return;
    case F::kThaw:
      failpoint::hit("donor.thaw.before");
      copier_->end(false);
      if (several_) lanes_.over();
      reporter_.wake_links();
      if (registry_.callbacks.thaw != nullptr) {
        const auto ok = registry_.call("thaw()", [&] {
          registry_.callbacks.thaw(registry_.callbacks_user);
          return 0;
        });
        if (!ok) registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
      }
      failpoint::hit("donor.thaw.after");
      return;
    case F::kSendAbort:
      send_abort();
      return;
    case F::kFence:
      registry_.log(HANDOFF_LOG_WARNING, "ending the heir: " + machine_.reason().text);
      if (const auto ok = kill_process(peer_.get()); !ok) {
        // Not allowed to: then its exit is waited for, whoever brings it about.
        registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
      }
      return;
    case F::kCloseChannel:
      failpoint::hit("donor.close.before");
      channel_done_ = true;
      poller_.unwatch(Role::kChannel);
      // With sessions left it becomes a link.
      if (!stays() || !heir_links_ || machine_.heir_lost()) channel_.reset();
      failpoint::hit("donor.close.after");
      return;
    case F::kRetire:
      failpoint::hit("donor.retire.before");
      finish_retired();
      failpoint::hit("donor.retire.after");
      return;
    case F::kReportFailed:
      if (rehearsal_) report_rehearsal();
      copier_->end(false);
      if (several_) lanes_.over();
      registry_.observer = nullptr;
      if (rehearsal_) {
        registry_.log(HANDOFF_LOG_INFO, "the rehearsal is over: " + machine_.reason().text);
      } else {
        registry_.log(HANDOFF_LOG_WARNING, "handoff failed, serving on: " + machine_.reason().text);
      }
      reporter_.failed({parameters_.id, machine_.reason(), now_ns()});
      return;
  }
}

void DonorDriver::begin_delta() {
  saving_ = true;
  copier_->set_frozen(frozen_at_ns_, static_cast<std::uint64_t>(parameters_.limits.budget),
                      deed_->fd());
  const auto lanes = several_ ? lanes_.save() : Result<void>{};
  if (!lanes) handle({E::kRefused, to_reason(lanes.error())});
  const auto begun = copier_->begin(Copier::Round::kFrozen);
  if (!begun) handle({E::kRefused, to_reason(begun.error())});
}

void DonorDriver::report_rehearsal() {
  lanes_.add_notes(*rehearsal_);
  protocol::Rehearsed& notes = rehearsal_->notes;
  notes.handoff_id = parameters_.id;
  notes.complete = copier_->round() > 0;
  notes.sessions = sessions();
  notes.passed = copier_->sessions_sent() + lanes_.sessions_sent();
  notes.unsettled =
      std::min<std::uint64_t>(notes.sessions, registry_.sessions.untracked() + lanes_.untracked() +
                                                  copier_->dirty() + lanes_.dirty());
  rehearsal_->weigh(false);
  reporter_.rehearsed(notes);
}

void DonorDriver::finish_retired() {
  left_ = copier_->staying().size() + lanes_.staying().size();
  if (!stays()) {
    stand_back();
    give_way();
  }
  copier_->end(true);
  copier_->let_go();
  registry_.observer = nullptr;
  const std::uint64_t sessions = at_heir();
  const std::uint64_t lost = machine_.heir_lost() ? sessions : 0;
  outcome_ = {.handoff_id = parameters_.id,
              .at_ns = now_ns(),
              .sessions = sessions,
              .bytes = copier_->bytes() + lanes_.bytes(),
              .frozen_at_ns = frozen_at_ns_,
              .lost = lost,
              .heir_died = machine_.heir_lost(),
              .first_fd_at_ns = copier_->first_fd_at_ns()};
  if (stays()) {
    finish_late();
    return;
  }
  reporter_.retired(outcome_);
  const std::uint64_t own_lost =
      lost - (machine_.heir_lost() ? lanes_.at_heir_of_others() : std::uint64_t{0});
  registry_.sessions.clear();
  if (registry_.callbacks.retired != nullptr) {
    const auto ok = registry_.call("retired()", [&] {
      registry_.callbacks.retired(registry_.callbacks_user, own_lost);
      return 0;
    });
    if (!ok) registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
  }
  // After the callback: the service may have them in an epoll set of its own. With several lanes,
  // the last of them closes them.
  lanes_.retire(machine_.heir_lost());
}

// Some here and some there: that is for sessions that share nothing. A reason if these do.
std::optional<core::Reason> DonorDriver::not_progressive() const {
  if (parameters_.spread == 0) return std::nullopt;
  const auto no = [](std::string why) {
    return core::Reason{Code::kRejected, "a progressive upgrade needs " + std::move(why)};
  };
  if (!registry_.can_link()) return no("a service with one lane");
  if (!registry_.can_hold()) return no("a service with the callbacks for late sessions");
  if (!registry_.sections.empty()) {
    return no("a service without sections: '" + registry_.sections[0].name +
              "' is shared by all sessions");
  }
  if (!registry_.regions.empty()) {
    return no("a service without regions: '" + registry_.regions[0].name() +
              "' is shared by all sessions");
  }
  for (const auto& [id, entry] : registry_.sessions) {
    if (!entry.independent) {
      return no("sessions that share nothing; " + registry_.describe(id, entry.kind) +
                " is not declared independent");
    }
  }
  return std::nullopt;
}

// Everything is the heir's but what stays; process/service reports it, and goes on with it.
void DonorDriver::finish_late() {
  std::vector<std::uint64_t> moved;
  std::unordered_set<std::uint64_t> staying(copier_->staying().begin(), copier_->staying().end());
  for (const std::uint64_t id : lanes_.staying()) staying.insert(id);
  for (const auto& [id, entry] : registry_.sessions) {
    if (!staying.contains(id)) moved.push_back(id);
  }
  const handoff_callbacks& callbacks = registry_.callbacks;
  registry_.tell("late()", [&] { callbacks.late(registry_.callbacks_user, left_); });
  for (const std::uint64_t id : moved) {
    registry_.remove_session(id);
    registry_.tell("moved()", [&] { callbacks.moved(registry_.callbacks_user, id); });
  }
  registry_.close_named();
}

}  // namespace handoff::io
