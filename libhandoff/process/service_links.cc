// What a service has to do with the late processes, and with all that share its sockets.
#include <algorithm>
#include <utility>

#include "libhandoff/handoff/resting.h"
#include "libhandoff/handoff/retirement.h"
#include "libhandoff/process/service.h"
#include "libhandoff/sys/process.h"

namespace handoff::io {

// A donor after the switch, or an heir that has failed: it still has the sockets, and closes them.
void Service::watch_sharer(UniqueFd pidfd, std::optional<Channel> channel) {
  if (!pidfd.valid()) return;  // it is at the other end of a link
  if (has_exited(pidfd.get())) return look_at_sockets();
  sharers_.add(std::move(pidfd), std::move(channel));
}

void Service::look_at_sockets() {
  look_.begin(registry_, true);
  poller_.wake();  // for the rest
  for (auto& lane : lanes_) lane->look();
}

// A late process greets once it has closed what is this one's. Nothing is looked at in a freeze: a
// donor that thaws looks at all.
void Service::go_on_looking() {
  const bool greeted = links_->take_greeted();
  if (greeted && state_ == HANDOFF_STATE_OWNER) {
    look_.begin(registry_, true);
    reports_.donor_speaks();
  }
  if ((!donor_ || donor_->serving()) && look_.turn(registry_)) poller_.wake();
}

void Service::stay_late() {
  state_ = HANDOFF_STATE_LATE;
  late_outcome_ = donor_->outcome();
  late_lost_ = donor_->lost_here();
  registry_.log(HANDOFF_LOG_INFO, "handed over; " + std::to_string(donor_->left()) +
                                      " sessions stay until they are released or end");
  if (donor_->spread() != 0) links_->spread(donor_->spread());
  links_->leave(donor_->left_behind(), donor_->first_left(), late_outcome_.closed);
  Resting(registry_).release_rested();
  late_link_ =
      LateLink{donor_->id(), donor_->take_channel(), donor_->take_peer(), donor_->limits()};
}

// Of all lanes.
protocol::Late Service::late() const {
  protocol::Late all = links_->standing();
  all.left_out = late_outcome_.left_out;
  for (const auto& lane : lanes_) {
    const protocol::Late one = lane->late().standing;
    all.waiting += one.waiting;
    all.moved += one.moved;
    all.closed += one.closed;
    all.unmovable += one.unmovable;
    for (const core::Staying& staying : one.staying) core::add(all.staying, staying);
  }
  return all;
}

// The supervisor takes the numbers of an upgrade from the first report, so that one has all lanes.
// The owner is answered then, too: it looks at its sockets once this process has closed what moved.
void Service::settle_late() {
  const auto all = [this](bool Lane::Late::*what) {
    return std::all_of(lanes_.begin(), lanes_.end(),
                       [what](const auto& lane) { return lane->late().*what; });
  };
  if (!all(&Lane::Late::told)) return;
  if (auto link = std::exchange(late_link_, std::nullopt)) {
    links_->become_late(link->handoff_id, std::move(link->channel), std::move(link->peer),
                        link->limits);
  }
  bool news = links_->news().has_value();
  for (auto& lane : lanes_) news = lane->take_late_news() || news;
  if (news) reports_.late(late());
  if (!links_->done() || !all(&Lane::Late::done)) return;
  state_ = HANDOFF_STATE_RETIRED;
  late_outcome_.at_ns = now_ns();
  late_outcome_.closed = late().closed;  // with those of the drain's end
  reports_.retired(late_outcome_);
  links_->pass_on();
  for (auto& lane : lanes_) lane->retire_late();
  retire_all(registry_, late_lost_);
}

void Service::link_to_donor() {
  links_->inherit(heir_->take_internal(), heir_limits_);
  for (const int pidfd : links_->late_processes()) sharers_.add_copy(pidfd);
  if (heir_->leaves_a_link() && !heir_->donor_died()) {
    sharers_.add_copy(heir_->peer());
    links_->to_late(heir_->take_channel(), heir_->take_peer(), heir_limits_);
    if (heir_->spread() != 0) links_->spread(heir_->spread());
  }
}

// A donor takes no new link: it has told its heir already which links there are. So the new end is
// closed, and the supervisor tries again when the late process says that it is not linked.
void Service::relink(const protocol::Relink& relink, std::vector<UniqueFd>& fds) {
  if (fds.size() != 2) {
    registry_.log(HANDOFF_LOG_ERROR, "from the supervisor: Relink without a channel and a pidfd");
    return;
  }
  core::Limits limits;
  if (relink.budget_us > 0) limits.budget = static_cast<core::Duration>(relink.budget_us);
  if (state_ == HANDOFF_STATE_OWNER) {
    sharers_.add_copy(fds[1].get());
    links_->to_late(Channel(std::move(fds[0])), std::move(fds[1]), limits);
  } else if (state_ == HANDOFF_STATE_LATE) {
    links_->to_owner(Channel(std::move(fds[0])), std::move(fds[1]), limits);
  }
}

}  // namespace handoff::io
