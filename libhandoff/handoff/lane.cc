#include "libhandoff/handoff/lane.h"

#include <algorithm>
#include <new>
#include <utility>

#include "libhandoff/handoff/retirement.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {

Result<std::unique_ptr<Lane>> Lane::make(Declared& declared, std::uint32_t index,
                                         const Poller& first) {
  auto poller = Poller::make();
  if (!poller) return Failure(poller.error());
  std::unique_ptr<Lane> lane(new Lane(declared, index, std::move(*poller), first));
  lane->registry_.told.set_poller(lane->poller_);
  auto links = Links::make(lane->registry_);
  if (!links) return Failure(links.error());
  lane->links_ = std::move(*links);
  const auto watched = lane->poller_.watch(Role::kLinks, lane->links_->fd(), false);
  if (!watched) return Failure(watched.error());
  return lane;
}

// ---- lane 0's thread

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
    turn(*roles);
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
    turn(*roles);
    timeout = -1;  // lane 0 has the freeze budget, and decides
  } while (frozen_ && !rest_.under_way());
  if (state_ == HANDOFF_STATE_FAILED) {
    return fail(HANDOFF_ERR_ABORTED, core::given_up_for(why_));
  }
  return {};
}

void Lane::turn(const std::vector<Role>& roles) {
  try {
    hear_told();
    if (donor_) donor_turn();  // it may be over, and another one waits in the inbox
    if (open_inbox()) donor_turn();
    if (heir_) heir_turn();
    turn_links(roles);
    if (!frozen_ && look_.turn(registry_)) poller_.wake();
  } catch (const std::bad_alloc&) {
    refuse(core::Reason{core::Code::kResources, {}});
  }
  count_sessions();
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
    // To whom they come is known after the switch.
    if (state_ == HANDOFF_STATE_HEIR || frozen_) {
      inbox_.ways = std::exchange(inbox.ways, {});
      inbox_.ways_come = std::exchange(inbox.ways_come, std::nullopt);
    }
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
  if (inbox.drain) links_->drain(*inbox.drain);
  open_ways(std::move(inbox.ways));
  if (inbox.ways_come) links_->ways_come(*inbox.ways_come);
  if (inbox.retire) {
    state_ = HANDOFF_STATE_RETIRED;
    links_->pass_on();
    retire_all(registry_, lost_);
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
  count_sessions();
  if (state_ == HANDOFF_STATE_LATE) poller_.wake();  // callbacks come from dispatch() alone
}

void Lane::count_sessions() {
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
      if (!frozen_) freeze(orders);
      if (!failed_) rest();
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
    case DonorBoard::Order::kStay:
      stay(orders);
      return;
  }
}

void Lane::copy(std::uint32_t round) {
  if (round_ < round) {
    (void)registry_.release_overdue(now_us());
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

void Lane::freeze(const DonorBoard::Orders& orders) {
  frozen_ = true;
  watch_links(false);
  const auto rested = links_->rest(rest_.links_until(orders.frozen_at, orders.budget));
  if (!rested && !failed_) return refuse({core::Code::kTimeout, rested.error().message});
  (void)registry_.release_overdue(now_us());
  rest_.begin_freeze(orders.frozen_at, orders.budget);
  if (registry_.callbacks.freeze != nullptr && !failed_) {
    const auto ok = registry_.call(
        "freeze()", [&] { return registry_.callbacks.freeze(registry_.callbacks_user); });
    if (!ok) return refuse(to_reason(ok.error()));
    if (*ok == HANDOFF_LATER) {
      rest_.begin();
      return poller_.set_deadline(rest_.deadline());
    }
  }
  donor_->report(index_, [](DonorBoard::Standing& standing) { standing.frozen = true; });
}

// Its loop turns meanwhile.
void Lane::rest() {
  if (!rest_.under_way()) return;
  const auto look = rest_.look();
  if (!look.over) return;
  poller_.set_deadline(std::nullopt);
  if (look.failed) return refuse(*look.failed);
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
    standing.staying = giving_->first_staying();
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
  poller_.set_deadline(std::nullopt);
  rest_.thaw();
  watch_links(true);
  links_->wake();
  if (registry_.callbacks.thaw == nullptr) return;
  registry_.tell("thaw()", [&] { registry_.callbacks.thaw(registry_.callbacks_user); });
}

// Of what can't be moved and is not to stay.
std::vector<std::uint64_t> Lane::reset_closing(const DonorBoard::Orders& orders) {
  watch(std::nullopt);
  if (orders.refused) giving_->refused(*orders.refused, true);
  giving_->stop_watching();  // what the service closes from here on has moved
  rest_.end();
  std::vector<std::uint64_t> closing = giving_->closing();
  reset_all(registry_, closing);
  return closing;
}

void Lane::retire(const DonorBoard::Orders& orders) {
  drop_all(registry_, reset_closing(orders));
  const std::uint64_t lost = orders.heir_lost ? giving_->progress().at_heir : 0;
  giving_.reset();
  frozen_ = false;
  state_ = HANDOFF_STATE_RETIRED;
  links_->pass_on();
  retire_all(registry_, lost);
  if (std::exchange(donor_, nullptr)->retire(index_)) registry_.close_named();
}

}  // namespace handoff::io
