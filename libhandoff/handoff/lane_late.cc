// The part of Lane that has to do with links: its ways, and what it does in a late process.
#include <algorithm>
#include <utility>

#include "libhandoff/handoff/lane.h"
#include "libhandoff/handoff/retirement.h"
#include "libhandoff/sys/reason.h"

namespace handoff::io {

// ---- lane 0's thread

void Lane::open(Way way) {
  post([&](Inbox& inbox) { inbox.ways.push_back(std::move(way)); });
}

void Lane::ways_come(bool yes) {
  post([yes](Inbox& inbox) { inbox.ways_come = yes; });
}

void Lane::drain(const protocol::Drain& order) {
  post([&](Inbox& inbox) { inbox.drain = order; });
}

void Lane::retire_late() {
  post([](Inbox& inbox) { inbox.retire = true; });
}

Lane::Late Lane::late() const {
  const std::lock_guard lock(mutex_);
  return late_;
}

bool Lane::take_late_news() {
  const std::lock_guard lock(mutex_);
  return std::exchange(late_news_, false);
}

// ---- its own

// One that comes too late is closed: its owner, or its late process, is this one no more.
void Lane::open_ways(std::vector<Way> ways) {
  const bool owner = state_ == HANDOFF_STATE_OWNER || state_ == HANDOFF_STATE_DONOR;
  for (Way& way : ways) {
    if (way.greets ? owner : state_ == HANDOFF_STATE_LATE) links_->open(std::move(way));
  }
}

void Lane::watch_links(bool watch) {
  if (!watch) return poller_.unwatch(Role::kLinks);
  if (const auto ok = poller_.watch(Role::kLinks, links_->fd(), false); !ok) {
    registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
  }
}

void Lane::turn_links(const std::vector<Role>& roles) {
  if (frozen_ || state_ == HANDOFF_STATE_HEIR) return;
  const auto is_ready = [&](Role role) {
    return std::find(roles.begin(), roles.end(), role) != roles.end();
  };
  const bool late = state_ == HANDOFF_STATE_LATE;
  if (is_ready(Role::kLinks) || (late && is_ready(Role::kWake))) links_->turn();
  // A late process greets once it has closed what is this one's.
  if (links_->take_greeted() && state_ == HANDOFF_STATE_OWNER) look_.begin(registry_, false);
  if (late) tell_late();
}

// What other threads have said of sessions; as Service::hear_told().
void Lane::hear_told() {
  const bool saves = frozen_ && !rest_.under_way();
  if (saves || state_ == HANDOFF_STATE_HEIR || state_ == HANDOFF_STATE_DECLARING) return;
  links_->answered(registry_.told.take_restored());
  const auto put =
      registry_.touch_what_was_put([this](std::uint64_t id) { return links_->bring(id); });
  if (!donor_ && registry_.release_rested(put)) sessions_changed();
}

void Lane::tell_late() {
  auto news = links_->news();
  if (!news) return;
  {
    const std::lock_guard lock(mutex_);
    late_ = {.standing = std::move(*news), .told = true, .done = links_->done()};
    late_news_ = true;
  }
  first_.wake();
}

void Lane::stay(const DonorBoard::Orders& orders) {
  const std::vector<std::uint64_t> closing = reset_closing(orders);
  const std::vector<std::uint64_t> staying = giving_->staying();
  links_->pass_on();
  links_->leave(giving_->left_ids(), {}, 0);
  lost_ = orders.heir_lost ? giving_->progress().at_heir : 0;
  giving_.reset();
  frozen_ = false;
  state_ = HANDOFF_STATE_LATE;
  retire_but(registry_, staying, closing);
  if (std::exchange(donor_, nullptr)->retire(index_)) registry_.close_named();
  rest_.release_rested();
  watch_links(true);
  links_->become_late(0, std::nullopt, {}, {});  // its ways are made when the owner has greeted
}

}  // namespace handoff::io
