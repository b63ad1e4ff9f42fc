#include "libhandoff/handoff/lane.h"

#include <algorithm>
#include <new>
#include <utility>

#include "libhandoff/core/rest.h"
#include "libhandoff/handoff/retirement.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {

Result<std::unique_ptr<Lane>> Lane::make(Declared& declared, std::uint32_t index) {
  auto poller = Poller::make();
  if (!poller) return Failure(poller.error());
  return std::unique_ptr<Lane>(new Lane(declared, index, std::move(*poller)));
}

// ---- lane 0's thread

template <class Change>
void Lane::post(Change&& change) {
  {
    const std::lock_guard lock(mutex_);
    change(inbox_);
  }
  poller_.wake();
}

std::vector<const Poller*> Lane::pollers(const Poller& first, const std::vector<Lane*>& others) {
  std::vector<const Poller*> all{&first};
  for (const Lane* lane : others) all.push_back(&lane->poller());
  return all;
}

void Lane::begin(std::shared_ptr<HeirBoard> board) {
  state_ = board ? HANDOFF_STATE_HEIR : HANDOFF_STATE_OWNER;
  if (board) post([&](Inbox& inbox) { inbox.heir = std::move(board); });
}

void Lane::take(std::unique_ptr<HeirChannels> channels) {
  post([&](Inbox& inbox) { inbox.take = std::move(channels); });
}

void Lane::give(std::shared_ptr<DonorBoard> board, std::unique_ptr<DonorChannels> channels) {
  post([&](Inbox& inbox) {
    inbox.donor = std::move(board);
    inbox.give = std::move(channels);
  });
}

void Lane::look() {
  post([](Inbox& inbox) { inbox.look = true; });
}

void Lane::stop(std::uint64_t deadline_us) {
  post([&](Inbox& inbox) { inbox.stop = deadline_us; });
}

// ---- its own

Result<void> Lane::wait(int timeout_ms) {
  if (state_ == HANDOFF_STATE_DECLARING) {
    return fail(HANDOFF_ERR_ORDER, "handoff_ready() comes before handoff_wait()");
  }
  const std::int64_t until = now_us() + std::int64_t{timeout_ms} * 1000;
  while (state_ == HANDOFF_STATE_HEIR) {
    int left = -1;
    if (timeout_ms >= 0) {
      left = static_cast<int>(std::max<std::int64_t>(0, (until - now_us() + 999) / 1000));
      if (left == 0) return fail(-ETIMEDOUT, "the handoff is still under way");
    }
    const auto roles = poller_.wait(left);
    if (!roles) return Failure(roles.error());
    turn();
  }
  if (state_ == HANDOFF_STATE_FAILED) {
    return fail(HANDOFF_ERR_ABORTED, core::given_up_for(why_));
  }
  return {};
}

Result<void> Lane::dispatch() {
  if (state_ == HANDOFF_STATE_DECLARING) {
    return fail(HANDOFF_ERR_ORDER, "handoff_ready() comes before handoff_dispatch()");
  }
  int timeout = 0;
  do {
    const auto roles = poller_.wait(timeout);
    if (!roles) return Failure(roles.error());
    turn();
    timeout = -1;  // lane 0 has the freeze budget, and decides
  } while (frozen_);
  if (state_ == HANDOFF_STATE_FAILED) {
    return fail(HANDOFF_ERR_ABORTED, core::given_up_for(why_));
  }
  return {};
}

void Lane::turn() {
  try {
    if (donor_) donor_turn();  // it may be over, and another one waits in the inbox
    if (open_inbox()) donor_turn();
    if (heir_) heir_turn();
    if (!frozen_ && look_.turn(registry_)) poller_.wake();
  } catch (const std::bad_alloc&) {
    refuse(core::Reason{core::Code::kResources, {}});
  }
  sessions_changed();
}

// True if there was a handoff in it.
bool Lane::open_inbox() {
  Inbox inbox;
  {
    const std::lock_guard lock(mutex_);
    inbox = std::exchange(inbox_, {});
    // An heir looks once it is the owner.
    if (state_ == HANDOFF_STATE_HEIR) inbox_.look = std::exchange(inbox.look, false);
    // An heir has nothing to stop yet; run() has it looked at again.
    if (state_ == HANDOFF_STATE_HEIR) inbox_.stop = std::exchange(inbox.stop, std::nullopt);
  }
  if (inbox.heir) heir_ = std::move(inbox.heir);
  if (inbox.take) {
    taking_ = std::move(inbox.take);
    watch(taking_->fd());
  }
  const bool gives = inbox.donor != nullptr;
  if (gives) {
    donor_ = std::move(inbox.donor);
    giving_ = std::move(inbox.give);
    round_ = 0;
    pace_ = {};
    saving_ = failed_ = false;
    state_ = HANDOFF_STATE_DONOR;
    watch(giving_->fd());
  }
  if (inbox.look) look_.begin(registry_, false);
  if (inbox.stop && registry_.callbacks.stop != nullptr) {
    registry_.tell("stop()", [&] {
      registry_.callbacks.stop(registry_.callbacks_user, HANDOFF_STOP_REQUESTED, *inbox.stop);
    });
  }
  return gives;
}

void Lane::watch(std::optional<int> channels) {
  if (!channels) {
    poller_.unwatch(Role::kLanes);
    return;
  }
  // epoll_ctl fails for want of memory alone; then the handoff does not get on, and is given up.
  if (const auto ok = poller_.watch(Role::kLanes, *channels, false); !ok) {
    registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
  }
}

void Lane::sessions_changed() {
  sessions_ = registry_.sessions.size();
  untracked_ = registry_.sessions.untracked();
  own_fds_ = registry_.sessions.fds().count();
  if (donor_ && giving_) donor_->set_dirty(index_, giving_->progress().dirty);
}

void Lane::refuse(const core::Reason& reason) {
  failed_ = true;
  watch(std::nullopt);
  const auto say = [&](auto& board) {
    try {
      board->report(index_, [&](auto& standing) {
        standing.no_memory = reason.text.empty();
        if (!standing.no_memory) standing.failed = reason;
      });
    } catch (const std::bad_alloc&) {
      board->report(index_, [](auto& standing) { standing.no_memory = true; });
    }
  };
  if (donor_) say(donor_);
  if (heir_) say(heir_);
}

// ---- a donor's

void Lane::donor_turn() {
  const DonorBoard::Orders orders = donor_->orders();
  switch (orders.order) {
    case DonorBoard::Order::kCopy:
      if (!failed_) copy(orders.round);
      return;
    case DonorBoard::Order::kFreeze:
      if (!frozen_) freeze();
      if (!failed_) hear_acks();
      return;
    case DonorBoard::Order::kSave:
      if (!failed_) save(orders);
      return;
    case DonorBoard::Order::kOver:
      over();
      return;
    case DonorBoard::Order::kRetire:
      retire(orders);
      return;
  }
}

void Lane::copy(std::uint32_t round) {
  if (round_ < round) {
    const auto begun = giving_->begin(round_ == 0 ? Round::kFirst : Round::kAgain);
    round_ = round;
    if (!begun) return refuse(to_reason(begun.error()));
  }
  const auto is_sent = [&] { return round_ > 0 && giving_->sent(); };
  const std::uint64_t signs = giving_->signs();
  const bool was_sent = is_sent();
  giving_->begin_turn(pace_.begin(thread_time_ns()));
  const auto pumped = pump(DonorBoard::Order::kCopy);
  pace_.end(thread_time_ns(), giving_->frames());
  if (!pumped) return refuse(to_reason(pumped.error()));
  if (giving_->more()) poller_.wake();  // the rest in the loop's next turn
  const bool sent = is_sent();
  if (signs == giving_->signs() && sent == was_sent) return;
  donor_->report(index_, [&](DonorBoard::Standing& standing) {
    if (sent) standing.round = round_;
    standing.progress = giving_->progress();
    standing.signs = giving_->signs();
    if (sent) standing.notes = giving_->notes();
  });
}

// Hears the heir, and sends what there is room for. After a frame of each line the lane looks
// whether lane 0 has ordered something else.
Result<void> Lane::pump(DonorBoard::Order order) {
  if (auto heard = giving_->hear(); !heard) return heard;
  bool sent = true;
  while (sent && donor_->orders().order == order) {
    const auto pumped = giving_->pump();
    if (!pumped) return Failure(pumped.error());
    sent = *pumped;
  }
  return {};
}

void Lane::freeze() {
  frozen_ = true;
  if (registry_.callbacks.freeze != nullptr && !failed_) {
    const auto ok = registry_.call(
        "freeze()", [&] { return registry_.callbacks.freeze(registry_.callbacks_user); });
    if (!ok) return refuse(to_reason(ok.error()));
    if (*ok == HANDOFF_LATER) return refuse({core::Code::kRejected, core::kNoRestInLanes});
  }
  donor_->report(index_, [](DonorBoard::Standing& standing) { standing.frozen = true; });
}

// Nothing is to be sent, but what comes must be read.
void Lane::hear_acks() {
  if (const auto heard = giving_->hear(); !heard) refuse(to_reason(heard.error()));
}

void Lane::save(const DonorBoard::Orders& orders) {
  if (!saving_) {
    saving_ = true;
    if (orders.refused) giving_->refused(*orders.refused, false);
    if (const auto begun = giving_->begin(Round::kFrozen); !begun) {
      return refuse(to_reason(begun.error()));
    }
  }
  const bool was_sent = giving_->sent();
  const auto pumped = pump(DonorBoard::Order::kSave);
  if (!pumped) return refuse(to_reason(pumped.error()));
  if (was_sent || !giving_->sent()) return;
  donor_->report(index_, [&](DonorBoard::Standing& standing) {
    standing.saved = true;
    standing.left = giving_->first_left();
    standing.progress = giving_->progress();
  });
}

void Lane::over() {
  set_nonblocking_again(registry_, false);
  watch(std::nullopt);
  giving_.reset();
  donor_.reset();
  state_ = HANDOFF_STATE_OWNER;
  if (!std::exchange(frozen_, false)) return;
  if (registry_.callbacks.thaw == nullptr) return;
  registry_.tell("thaw()", [&] { registry_.callbacks.thaw(registry_.callbacks_user); });
}

void Lane::retire(const DonorBoard::Orders& orders) {
  watch(std::nullopt);
  if (orders.refused) giving_->refused(*orders.refused, true);
  giving_->stop_watching();  // what the service closes from here on has moved
  const std::vector<std::uint64_t> closing = giving_->closing();
  reset_all(registry_, closing);
  drop_all(registry_, closing);
  const std::uint64_t lost = orders.heir_lost ? giving_->progress().at_heir : 0;
  giving_.reset();
  frozen_ = false;
  state_ = HANDOFF_STATE_RETIRED;
  registry_.sessions.clear();
  if (registry_.callbacks.retired != nullptr) {
    registry_.tell("retired()",
                   [&] { registry_.callbacks.retired(registry_.callbacks_user, lost); });
  }
  if (std::exchange(donor_, nullptr)->retire(index_)) registry_.close_named();
}

// ---- an heir's

void Lane::heir_turn() {
  const HeirBoard::Orders orders = heir_->orders();
  switch (orders.order) {
    case HeirBoard::Order::kReceive:
    case HeirBoard::Order::kReadOut:
      if (taking_) receive(orders.order);
      return;
    case HeirBoard::Order::kRestore:
      if (!failed_ && !std::exchange(restored_, true)) restore();
      return;
    case HeirBoard::Order::kRun:
      run(orders);
      return;
    case HeirBoard::Order::kGo:
      go(orders.why);
      return;
  }
}

void Lane::receive(HeirBoard::Order order) {
  const bool had_failed = failed_;  // what can't be applied is not there
  const bool read_out = order == HeirBoard::Order::kReadOut;
  const auto ok = read_out ? taking_->read_out() : had_failed ? Result<void>{} : taking_->receive();
  if (!ok) refuse(to_reason(ok.error()));
  heir_->report(index_, [&](HeirBoard::Standing& standing) {
    standing.round = taking_->round();
    standing.prepared = ok && !had_failed && taking_->prepared();
    standing.sessions = taking_->sessions();
    standing.signs = taking_->signs();
    standing.read_out = read_out;
    tell_refused(standing);
  });
}

void Lane::tell_refused(HeirBoard::Standing& standing) {
  for (protocol::Refusal& one : taking_->take_refused()) {
    standing.refusals.push_back(std::move(one));
  }
  standing.refused = taking_->refused();
  standing.refused_in_all = taking_->refused_in_all();
  standing.came = taking_->came();
}

void Lane::restore() {
  watch(std::nullopt);  // nothing more may come
  if (const auto ok = taking_->restore(); !ok) return refuse(to_reason(ok.error()));
  Rehearsal notes;
  taking_->add_notes(notes);
  heir_->report(index_, [&](HeirBoard::Standing& standing) {
    tell_refused(standing);
    standing.notes = notes.notes;
    standing.restored = true;
  });
}

void Lane::run(const HeirBoard::Orders& orders) {
  watch(std::nullopt);
  if (taking_) {
    if (orders.keep) taking_->keep_unmoved();
    taking_->adopt(orders.donor_gone);
  }
  state_ = HANDOFF_STATE_OWNER;
  poller_.wake();  // so that the loop's first turn comes here
  const auto heir = std::exchange(heir_, nullptr);
  heir->report(index_, [&](HeirBoard::Standing& standing) {
    if (taking_) {
      standing.sessions = taking_->sessions();
      standing.lost = taking_->lost();
      standing.lost_ids = taking_->lost_ids();
    }
    standing.running = true;
  });
  taking_.reset();
}

void Lane::go(const std::string& why) {
  watch(std::nullopt);
  if (taking_) taking_->drop();
  taking_.reset();
  heir_.reset();
  why_ = why;
  state_ = HANDOFF_STATE_FAILED;
}

}  // namespace handoff::io
