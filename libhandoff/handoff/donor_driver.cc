#include "libhandoff/handoff/donor_driver.h"

#include <algorithm>
#include <utility>

#include "libhandoff/core/negotiation.h"
#include "libhandoff/core/round_trip.h"
#include "libhandoff/handoff/greeting.h"
#include "libhandoff/handoff/progressive.h"
#include "libhandoff/handoff/retirement.h"
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

DonorEvent malformed(std::string text) {
  return {E::kMalformed, {Code::kProtocol, std::move(text)}};
}
DonorEvent refused(core::Reason reason) { return {E::kRefused, std::move(reason)}; }
DonorEvent refused(const Error& error) { return refused(to_reason(error)); }

}  // namespace

DonorDriver::DonorDriver(Registry& registry, Poller& poller, Reporter& reporter,
                         HandoffParameters parameters, Channel channel, UniqueFd peer,
                         std::vector<LinkEnd> links, std::vector<Lane*> lanes)
    : Driver(registry, poller, reporter, parameters, std::move(peer)),
      lanes_(registry, poller, std::move(lanes), std::move(channel), rehearsal_.has_value()),
      report_(lanes_, reporter, parameters.id),
      links_(std::move(links)) {}

DonorDriver::~DonorDriver() {
  stop_watching();
  fds_.restore();
}

void DonorDriver::start() {
  machine_.start(now_us());
  const auto mine = hello();
  // How many fds of a user may be in flight goes by the limit of whoever sends them (unix(7)).
  fds_.raise(FdLimit::most());
  auto reason = not_progressive(registry_, parameters_.spread);
  if (!mine) {
    handle(refused(mine.error()));
  } else if (reason) {
    handle(refused(std::move(*reason)));
  } else {
    greeted_at_ns_ = now_ns();
    const auto sent = lanes_.main().channel().send(Type::kHello, encode(*mine));
    if (!sent) {
      handle(refused(sent.error()));
    } else if (*sent == Channel::Sent::kClosed) {
      handle({E::kChannelClosed});
    }
    // A new channel takes one message. If it did not, the heir's Hello would never come (timer).
  }
  update_poller();
}

void DonorDriver::cancel(core::Reason reason) {
  handle(refused(std::move(reason)));
  update_poller();
}

void DonorDriver::begin_turn() { lanes_.own().begin_turn(pace_.begin(thread_time_ns())); }

void DonorDriver::end_turn() { pace_.end(thread_time_ns(), lanes_.own().frames()); }

void DonorDriver::update_poller() {
  if (has_heard_enough()) return await(poller_, registry_, {});
  watch(channel_done_ ? std::nullopt : lanes_.main().fd(), want_write_, lanes_.own().fd());
}

// ---- what the heir says

void DonorDriver::read() {
  // The heir sends a handful of messages a round; the bound is against one that floods.
  for (int i = 0; i < 64 && !channel_done_ && !has_heard_enough(); ++i) {
    Channel::Message message;
    const auto received = lanes_.main().channel().recv(message);
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
    if (auto event = understand(message)) handle(std::move(*event));
  }
}

std::optional<DonorEvent> DonorDriver::understand(const Channel::Message& message) {
  if (!message.fds.empty()) {
    return malformed("the heir sent fds with " + protocol::type_name(message.header.type));
  }
  switch (message.header.type) {
    case Type::kHello:
      return greet(message.body);
    case Type::kAck: {
      const auto heard = lanes_.main().acknowledge(message.body);
      if (!heard) return malformed(heard.error().message);
      return DonorEvent{E::kProgress};
    }
    case Type::kCopied: {
      const auto said = protocol::decode<protocol::Copied>(message.body);
      if (!said) return malformed(said.error().message);
      if (machine_.state() == DonorState::kCopying && lanes_.main().sent()) {
        copied_ = *said;  // before the other lanes have said that they are through
        return std::nullopt;
      }
      return copied(*said);
    }
    case Type::kPrepared:
      return prepared(message.body);
    case Type::kResumed:
      return DonorEvent{E::kResumed};
    case Type::kAbort: {
      auto abort = protocol::decode<protocol::Abort>(message.body);
      if (!abort) return malformed(abort.error().message);
      abort->reason.of_peer = true;
      DonorEvent event{E::kPeerAborted, std::move(abort->reason)};
      if (!forecast_) return event;
      forecast_->answer = std::move(event);
      return std::nullopt;
    }
    default:
      return malformed("the heir sent " + protocol::type_name(message.header.type) +
                       ", which is not for a donor");
  }
}

DonorEvent DonorDriver::copied(const protocol::Copied& copied) {
  if (copied.round != machine_.round() || copied.sessions != lanes_.progress().at_heir) {
    return malformed("the heir confirms another copy than was sent");
  }
  if (!leave(copied.refused, false))
    return malformed("the heir leaves sessions that must not stay");
  const Progress progress = lanes_.progress();
  const auto given = lanes_.main().service().given();
  return {.type = E::kCopied,
          .dirty = progress.dirty,
          .sessions = lanes_.sessions(),
          .section_bytes = given.bytes,
          .copying = given.since,
          .large_bytes = progress.large};
}

DonorEvent DonorDriver::greet(std::string_view body) {
  const auto theirs = protocol::decode<protocol::Hello>(body);
  if (!theirs) return {E::kMalformed, to_reason(theirs.error())};
  if (theirs->handoff_id != parameters_.id) {
    return malformed("the heir's Hello is of another handoff");
  }
  const auto mine = hello();
  if (!mine) return refused(mine.error());
  const auto plan = core::negotiate(offer_of(*mine), offer_of(*theirs));
  if (!plan) return refused(plan.error());
  const core::Lanes lanes{registry_.lanes, theirs->lanes};
  auto too_few =
      too_few_fds(theirs->fds_max, mine->sessions + lanes_.own_fds() + mine->manifest.named.size() +
                                       registry_.regions.size() + lanes.channels() - 1);
  if (too_few) return refused(std::move(*too_few));
  heir_links_ = theirs->links;
  unmovable_ = core::in_force(parameters_.unmovable, means(heir_links_));
  const bool is_wanted = unmovable_ == parameters_.unmovable;
  const std::string not_late = is_wanted ? "" : core::why_not_late(means(heir_links_));
  if (rehearsal_) {
    rehearsal_->notes.round_trip_ns = core::round_trip_ns({.sent_ns = greeted_at_ns_,
                                                           .heard_at_ns = theirs->heard_at_ns,
                                                           .answered_ns = now_ns(),
                                                           .room_ns = theirs->room_ns});
    rehearsal_->notes.unmovable = unmovable_;
    rehearsal_->notes.not_late = not_late;
  }
  if (heir_links_) lanes_.main().service().set_links(links_);
  if (parameters_.spread != 0 && !heir_links_) {
    return refused({Code::kRejected, "the new release can't take sessions one after the other"});
  }
  const auto opened = lanes_.open(lanes,
                                  {.versions = core::versions_of_all(plan->versions, leaving_),
                                   .ring_sessions = theirs->ring_sessions,
                                   .heir_looks = theirs->looks,
                                   .spread = parameters_.spread,
                                   .leaving = leaving_,
                                   .no_stay = no_stay(heir_links_),
                                   .tails = theirs->tails,
                                   .layers = theirs->layers,
                                   .unmovable = unmovable_,
                                   .not_late = not_late,
                                   .budget = parameters_.limits.budget,
                                   .part = lanes.part_of(parameters_.limits.budget, processors()),
                                   .session_fds = theirs->session_fds},
                                  rehearsal_.has_value());
  if (!opened) return refused(opened.error());
  return {E::kHelloAccepted};
}

// By the other lines, and on the board.
void DonorDriver::hear_lanes() {
  if (machine_.finished()) return;
  check(lanes_.own().hear());
  if (auto reason = lanes_.failure()) handle(refused(std::move(*reason)));
  const bool alive = lanes_.progressed();
  const DonorState state = machine_.state();
  if (alive && (state == DonorState::kCopying || state == DonorState::kAwaitingCopied)) {
    handle({E::kProgress});
  }
}

// ---- the copy

void DonorDriver::go_on() {
  want_write_ = false;
  hear_lanes();
  foresee();
  if (machine_.state() == DonorState::kReleasing) send_release();
  rest();
  const bool frozen = machine_.state() == DonorState::kFrozen && !resting();
  if (frozen && !saving_ && lanes_.frozen()) begin_delta();
  while (sending() && send_some()) {
  }
  if (!sending()) return;
  // The rest in the loop's next turn, or once there is room.
  want_write_ = lanes_.main().cut_short() || lanes_.main().blocked();
  if (lanes_.own().more()) poller_.wake();
  report_.progress_if_due(protocol::Phase::kCopy);
}

// A rehearsal is not over before it has looked at the sections.
void DonorDriver::foresee() {
  if (machine_.finished()) forecast_.reset();
  if (!forecast_) return;
  if (!forecast_->go_on(rehearsal_->notes)) return poller_.wake();
  auto answer = std::move(forecast_->answer);
  forecast_.reset();
  if (answer) handle(std::move(*answer));
}

bool DonorDriver::sending() const {
  const DonorState state = machine_.state();
  return state == DonorState::kCopying || (state == DonorState::kFrozen && saving_);
}

bool DonorDriver::send_some() {
  // A save() that takes its time must not hide that the budget is used up.
  if (machine_.deadline() && now_us() >= *machine_.deadline()) {
    read();
    handle({E::kTimer});
    return true;
  }
  const auto sent = lanes_.own().pump();
  if (!sent) {
    handle(refused(sent.error()));
    return true;
  }
  return *sent || finish_round();
}

// True: all lines of all lanes had sent what they had, and it goes on from here.
bool DonorDriver::finish_round() {
  if (machine_.state() == DonorState::kCopying) {
    if (!lanes_.round_sent()) return false;
    handle({E::kRoundSent});
    ServiceSender& service = lanes_.main().service();
    if (rehearsal_ && service.given().bytes > 0) {
      forecast_.emplace(service, machine_.round_begun());
      poller_.wake();
    }
    if (copied_ && machine_.state() == DonorState::kAwaitingCopied) {
      handle(copied(*std::exchange(copied_, std::nullopt)));
    }
    return true;
  }
  if (!lanes_.saved()) return false;
  if (lanes_.main().sent()) {
    handle({E::kDeltaSent});
    return true;
  }
  const Progress progress = lanes_.progress();
  lanes_.main().prepare({.sessions = progress.at_heir,
                         .frozen_at_ns = frozen_at_ns_,
                         .budget_us = static_cast<std::uint64_t>(parameters_.limits.budget),
                         .late = progress.staying,
                         .late_ids = lanes_.first_staying(),
                         .closing = progress.closing,
                         .closing_ids = lanes_.first_closing()},
                        word_->fd());
  return true;
}

void DonorDriver::check(const Result<void>& done) {
  if (!done) handle(refused(done.error()));
}

// ---- what the machine has decided

void DonorDriver::perform(F effect) {
  switch (effect) {
    case F::kStartRound:
      return start_round();
    case F::kFreeze:
      return freeze();
    case F::kSendRelease:
      return send_release();
    case F::kClaim:
      return claim();
    case F::kThaw:
      return thaw();
    case F::kSendAbort:
      return send_abort();
    case F::kFence:
      return kill_peer("ending the heir: " + machine_.reason().text);
    case F::kCloseChannel:
      return close_channel();
    case F::kRetire:
      return retire();
    case F::kReportFailed:
      return end_failed();
  }
}

void DonorDriver::start_round() {
  if (machine_.round() == 1) {  // now: in the freeze there is no time to run out of memory
    auto word = OwnershipWord::make();
    if (!word) return handle(refused(word.error()));
    word_ = std::move(*word);
  }
  (void)registry_.release_overdue(now_us());
  check(lanes_.begin_round(machine_.round()));
  report_.progress(protocol::Phase::kCopy);
}

void DonorDriver::freeze() {
  failpoint::hit("donor.freeze.before");
  frozen_at_ns_ = now_ns();
  const core::Duration budget = parameters_.limits.budget;
  const auto linked = reporter_.rest_links(rest_.links_until(now_us(), budget));
  if (!linked) return handle(refused({Code::kTimeout, linked.error().message}));
  (void)registry_.release_overdue(now_us());
  lanes_.freeze(machine_.frozen_at(), budget);  // side by side
  rest_.begin_freeze(machine_.frozen_at(), budget);
  if (registry_.callbacks.freeze != nullptr) {
    const auto ok = registry_.call(
        "freeze()", [&] { return registry_.callbacks.freeze(registry_.callbacks_user); });
    if (!ok) return handle(refused(ok.error()));
    if (*ok == HANDOFF_LATER) rest_.begin();
  }
  if (auto reason = not_progressive(registry_, parameters_.spread)) {
    return handle(refused(std::move(*reason)));
  }
  if (!resting() && lanes_.frozen()) begin_delta();
  report_.progress(protocol::Phase::kSwitch);
  failpoint::hit("donor.freeze.after");
}

void DonorDriver::rest() {
  if (!rest_.under_way()) return;
  if (!resting()) return rest_.cancel();  // it was given up
  if (auto look = rest_.look(); look.failed) handle(refused(std::move(*look.failed)));
}

// Lanes may share state: nothing is saved before all of them are frozen.
void DonorDriver::begin_delta() {
  saving_ = true;
  check(lanes_.save());
}

}  // namespace handoff::io
