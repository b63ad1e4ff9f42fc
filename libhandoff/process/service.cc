#include "libhandoff/process/service.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "libhandoff/core/lanes.h"
#include "libhandoff/sys/failpoint.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/reason.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {

Result<std::unique_ptr<Service>> Service::open(const handoff_options& options) {
  // Without what was added later.
  if (options.size < offsetof(handoff_options, vault)) {
    return fail(-EINVAL, "handoff_options.size is too small");
  }
  if (options.name == nullptr || options.version == nullptr) {
    return fail(-EINVAL, "handoff_options needs name and version");
  }
  if (options.lanes > core::kMaxLanes) {
    return fail(-EINVAL, "handoff_options.lanes: at most " + std::to_string(core::kMaxLanes));
  }
  std::string ignored = tell_what_is_ignored(options);
  if (!failpoint::problem().empty()) return fail(-EINVAL, failpoint::problem());
  auto poller = Poller::make();
  if (!poller) return Failure(poller.error());
  auto sharers = Sharers::make();
  if (!sharers) return Failure(sharers.error());
  std::unique_ptr<Service> service(new Service(std::move(*poller), std::move(*sharers)));
  service->declared_.log = options.log;
  service->declared_.log_user = options.user;
  service->ignored_ = std::move(ignored);
  service->wants_vault_ = options.size >= sizeof options && options.vault != 0;
  const auto named = service->registry_.set_names(options.name, options.version);
  if (!named) return Failure(named.error());
  const auto kind = service->registry_.declare_kind(
      "session", options.state_version == 0 ? 1 : options.state_version);
  if (!kind) return Failure(kind.error());
  service->declared_.lanes = std::max<std::uint32_t>(options.lanes, 1);
  for (std::uint32_t i = 1; i < service->declared_.lanes; ++i) {
    auto lane = Lane::make(service->declared_, i, service->poller_);
    if (!lane) return Failure(lane.error());
    service->lanes_.push_back(std::move(*lane));
  }
  service->registry_.told.set_poller(service->poller_);
  auto links = Links::make(service->registry_);
  if (!links) return Failure(links.error());
  service->links_ = std::move(*links);
  service->links_->set_lanes(
      [lanes = &service->lanes_](Way way) { (*lanes)[way.lane - 1]->open(std::move(way)); },
      [lanes = &service->lanes_](bool yes) {
        for (auto& lane : *lanes) lane->ways_come(yes);
      });
  auto watched = service->poller_.watch(Role::kLinks, service->links_->fd(), false);
  if (watched) watched = service->poller_.watch(Role::kSharers, service->sharers_.fd(), false);
  if (!watched) return Failure(watched.error());
  auto start = take_start();
  if (!start) return Failure(start.error());
  if (*start) service->begin(std::move(**start));
  return service;
}

void Service::shut() {
  vaults_.dismiss();
  if (donor_) donor_->cancel({core::Code::kCancelled, "the donor closes its handle"});
}

void Service::begin(StartOrder start) {
  vaults_.begin(std::move(start.vault), wants_vault_, start.control.fd());
  control_.open(std::move(start.control), std::move(start.reconnect), std::move(start.mailbox));
  registry_.generation = start.generation;
  offers_ = std::move(start.offers);
  heir_end_ = std::move(start.heir);
  // A rehearsal, or an heir that fails, never owns, and stays the first to go.
  const auto first = heir_end_ ? oom_score_.raise() : Result<void>();
  if (!first) registry_.log(HANDOFF_LOG_WARNING, first.error().message);
}

Result<void> Service::declare(const std::function<Result<void>(Registry&)>& declaration) {
  if (state_ != HANDOFF_STATE_DECLARING) {
    return fail(HANDOFF_ERR_ORDER, "declare everything before handoff_ready()");
  }
  return declaration(registry_);
}

std::uint64_t Service::sessions() const {
  std::uint64_t all = registry_.sessions.size();
  for (const auto& lane : lanes_) all += lane->sessions();
  return all;
}

std::vector<Lane*> Service::other_lanes() const {
  std::vector<Lane*> out;
  out.reserve(lanes_.size());
  for (const auto& lane : lanes_) out.push_back(lane.get());
  return out;
}

std::vector<Registry*> Service::registries() {
  std::vector<Registry*> out = {&registry_};
  for (const auto& lane : lanes_) out.push_back(&lane->registry());
  return out;
}

Result<VaultEnds> Service::take_vault() { return vaults_.take(); }

Result<void> Service::ready() {
  if (state_ != HANDOFF_STATE_DECLARING) {
    return fail(HANDOFF_ERR_ORDER, "handoff_ready() was called already");
  }
  if (auto ok = take_offers(); !ok) return ok;
  if (!heir_end_) {
    auto ok = registry_.bind_missing();
    if (!ok && ok.error().code == -EADDRINUSE && !ignored_.empty()) {
      // The supervisor has bound the address for this service.
      return fail(-EADDRINUSE, ok.error().message + "; " + ignored_);
    }
    if (!ok) return ok;
  }
  tell_what_is_missing();
  declared_.all_lanes_hold = registry_.has_callbacks_to_hold() &&
                             std::all_of(lanes_.begin(), lanes_.end(), [](const auto& lane) {
                               return lane->registry().has_callbacks_to_hold();
                             });
  auto manifest = registry_.manifest(false);
  if (!manifest) return Failure(manifest.error());
  const bool rehearsal = heir_end_ && heir_end_->parameters.limits.rehearsal;
  reports_.registered(std::move(*manifest), rehearsal, vaults_.declare(registries()));
  if (!heir_end_) {
    vaults_.complete(registries());
    state_ = HANDOFF_STATE_OWNER;
    for (auto& lane : lanes_) lane->begin(nullptr);
    report_owner();
    return {};
  }
  state_ = HANDOFF_STATE_HEIR;
  heir_limits_ = heir_end_->parameters.limits;
  heir_ = std::make_unique<HeirDriver>(registry_, poller_, *this, heir_end_->parameters,
                                       Channel(std::move(heir_end_->channel), "heir"),
                                       std::move(heir_end_->peer), other_lanes());
  heir_->start();
  return {};
}

Result<void> Service::wait(int timeout_ms) {
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
    return fail(HANDOFF_ERR_ABORTED, core::given_up_for(heir_->reason().text));
  }
  return {};
}

Result<void> Service::dispatch() {
  if (state_ == HANDOFF_STATE_DECLARING) {
    return fail(HANDOFF_ERR_ORDER, "handoff_ready() comes before handoff_dispatch()");
  }
  if (owner_report_due_ && owner_report_possible()) report_owner();
  tell_who_waits();
  const auto roles = poller_.wait(0);
  if (!roles) return Failure(roles.error());
  turn(*roles);
  // The other lanes run now, too.
  if (owner_report_due_ && !lanes_.empty() && owner_report_possible()) report_owner();
  const auto frozen_still = [this] {
    return donor_ && !donor_->serving() && !donor_->finished() && !donor_->resting();
  };
  if (frozen_still()) {
    control_.ignore();  // until the switch is decided
    poller_.unwatch(Role::kLinks);
    while (frozen_still()) {
      const auto frozen = poller_.wait(-1);  // the freeze budget is a deadline of the poller's
      if (!frozen) return Failure(frozen.error());
      turn(*frozen);
    }
    if (const auto ok = poller_.watch(Role::kLinks, links_->fd(), false); !ok) {
      registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
    }
    control_.listen();
  }
  if (state_ == HANDOFF_STATE_FAILED) {
    return fail(HANDOFF_ERR_ABORTED, core::given_up_for(heir_->reason().text));
  }
  return {};
}

void Service::turn(const std::vector<Role>& roles) {
  hear_told();
  if (donor_) donor_->begin_turn();
  for (const Role role : roles) {
    if (role == Role::kControl) {
      control_.read([this](Channel::Message& message) { hear(message); });
    } else if (role == Role::kReconnect || role == Role::kMail) {
      reports_.reconnect(standing());
    } else if (role == Role::kLinks) {
      links_->turn();
    } else if (role == Role::kSharers) {
      if (sharers_.turn()) look_at_sockets();
    } else if (role == Role::kWake) {
      if (state_ == HANDOFF_STATE_LATE || links_->spreads()) links_->turn();
      // Another lane has said something.
      if (donor_) donor_->on(role);
      if (!donor_ && state_ == HANDOFF_STATE_HEIR) heir_->on(role);
    } else {
      if (donor_) {
        donor_->on(role);
      } else if (heir_) {
        heir_->on(role);
      }
    }
    settle();
  }
  if (donor_) donor_->end_turn();
  go_on_looking();
  hear_told();
}

// Draws the service's state from a driver that is through.
void Service::settle() {
  if (state_ == HANDOFF_STATE_HEIR && heir_->owner()) {
    state_ = HANDOFF_STATE_OWNER;
    owner_report_due_ = true;
    owned_at_ns_ = now_ns();
    link_to_donor();
    poller_.wake();  // so that the loop's first turn comes here and is seen
  } else if (state_ == HANDOFF_STATE_HEIR && heir_->failed()) {
    state_ = HANDOFF_STATE_FAILED;
    reports_.failed({heir_->id(), heir_->reason(), now_ns()});
  } else if (donor_ && donor_->finished()) {
    const bool retired = donor_->state() == core::DonorState::kRetired;
    state_ = retired ? HANDOFF_STATE_RETIRED : HANDOFF_STATE_OWNER;
    if (retired) links_->pass_on();
    if (retired && donor_->stays()) stay_late();
    if (state_ == HANDOFF_STATE_RETIRED) vaults_.dismiss();
    if (!retired && donor_->shared()) watch_sharer(donor_->take_peer());
    donor_.reset();
  }
  if (state_ == HANDOFF_STATE_LATE) settle_late();
}

void Service::sessions_changed() {
  if (state_ != HANDOFF_STATE_LATE && !links_->spreads()) return;
  poller_.wake();  // callbacks come from dispatch() alone
}

// ---- a driver's reports

void Service::progress(const protocol::Progress& progress) { reports_.progress(progress); }
void Service::failed(const protocol::Failed& failed) { reports_.failed(failed); }
void Service::retired(const protocol::Retired& retired) { reports_.retired(retired); }
void Service::rehearsed(const protocol::Rehearsed& rehearsed) { reports_.rehearsed(rehearsed); }
Result<void> Service::rest_links(core::Time until) { return links_->rest(until); }
void Service::wake_links() { links_->wake(); }

// ---- what this process is, to its supervisor

Reports::Standing Service::standing() const {
  Reports::Standing out{.state = state_, .handoff_id = 0, .owner = known_as_owner()};
  if (donor_) out.handoff_id = donor_->id();
  if (state_ == HANDOFF_STATE_HEIR) out.handoff_id = heir_->id();
  return out;
}

void Service::report_owner() {
  owner_report_due_ = false;
  protocol::Owner owner;
  owner.generation = registry_.generation;
  owner.running_at_ns = now_ns();
  if (heir_) {
    owner.handoff_id = heir_->id();
    owner.sessions = heir_->adopted();
    owner.lost = heir_->lost();
    owner.lost_ids = heir_->lost_ids();
    // Restores that have failed between its first moment as the owner and this report.
    const auto& later = registry_.lost_later;
    owner.sessions -= std::min<std::uint64_t>(owner.sessions, later.size());
    owner.lost += later.size();
    for (const std::uint64_t id : later) {
      if (owner.lost_ids.size() < protocol::kMaxLostIds) owner.lost_ids.push_back(id);
    }
    owner.kept = heir_->kept();
    owner.kept_ids = heir_->kept_ids();
    if (heir_->donor_died()) {  // and they have ended with it
      owner.lost += std::exchange(owner.kept, 0);
      for (const std::uint64_t id : std::exchange(owner.kept_ids, {})) {
        if (owner.lost_ids.size() < protocol::kMaxLostIds) owner.lost_ids.push_back(id);
      }
    }
    owner.owned_at_ns = owned_at_ns_;
    tell_if_slow(owner.running_at_ns - owned_at_ns_);
    owner.frozen_at_ns = heir_->frozen_at_ns();
    owner.donor_died = heir_->donor_died();
    if (owner.frozen_at_ns != 0) {
      // All sessions were armed before the switch and could be served from here on, so all had the
      // same blackout.
      const std::uint64_t us = (owner.running_at_ns - owner.frozen_at_ns) / 1000;
      owner.blackout = {us, us, us, us};
    }
  }
  reports_.owner(std::move(owner));
  if (heir_) watch_sharer(heir_->take_peer(), heir_->take_channel());
  heir_.reset();
  const auto restored = oom_score_.restore();
  if (!restored) registry_.log(HANDOFF_LOG_WARNING, restored.error().message);
}

void Service::say_health(protocol::Health health) {
  reports_.health(std::move(health), known_as_owner());
}

// ---- the supervisor's orders

void Service::hear(Channel::Message& message) {
  const auto known = obey(message, *this);
  if (!known) {
    registry_.log(HANDOFF_LOG_ERROR, "from the supervisor: " + known.error().message);
  } else if (!*known) {
    registry_.log(HANDOFF_LOG_WARNING, "the supervisor sent " +
                                           protocol::type_name(message.header.type) +
                                           ", which this release does not know");
  }
}

void Service::donate(const protocol::Donate& donate, std::vector<UniqueFd>& fds) {
  auto end = take_end(donate.handoff, fds);
  const auto refuse = [&](core::Reason reason) {
    reports_.failed({donate.handoff.id, std::move(reason), now_ns()});
  };
  if (!end) return refuse(to_reason(end.error()));
  if (state_ == HANDOFF_STATE_DONOR) {
    return refuse({core::Code::kCancelled, "another handoff of this process is under way"});
  }
  if (state_ != HANDOFF_STATE_OWNER) {
    return refuse({core::Code::kCancelled, "this process is not the owner of its sockets"});
  }
  if (heir_) {
    return refuse({core::Code::kCancelled, "this process is still taking its sessions over"});
  }
  if (donate.claims) end->parameters.claims = *donate.claims;
  if (donate.may) end->parameters.may = *donate.may;
  state_ = HANDOFF_STATE_DONOR;
  end->parameters.unmovable = donate.unmovable;
  donor_ = std::make_unique<DonorDriver>(registry_, poller_, *this, end->parameters,
                                         Channel(std::move(end->channel), "donor"),
                                         std::move(end->peer), links_->ends(), other_lanes());
  donor_->start();
}

void Service::stop(const protocol::Stop& stop) {
  const core::Reason reason{core::Code::kCancelled, "the service is being stopped"};
  if (donor_) donor_->cancel(reason);
  if (state_ == HANDOFF_STATE_HEIR) heir_->cancel(reason);
  for (auto& lane : lanes_) lane->stop(stop.deadline_us);
  if (registry_.callbacks.stop == nullptr) return;
  const auto ok = registry_.call("stop()", [&] {
    registry_.callbacks.stop(registry_.callbacks_user, HANDOFF_STOP_REQUESTED, stop.deadline_us);
    return 0;
  });
  if (!ok) registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
}

void Service::spread(const protocol::Spread& spread) { links_->spread(spread.permille); }

void Service::drain(const protocol::Drain& drain) {
  links_->drain(drain);
  for (auto& lane : lanes_) lane->drain(drain);
}

void Service::cancel(const protocol::Cancel& cancel) {
  const core::Reason reason{core::Code::kCancelled, cancel.reason};
  if (donor_ && donor_->id() == cancel.handoff_id) donor_->cancel(reason);
  if (state_ == HANDOFF_STATE_HEIR && heir_->id() == cancel.handoff_id) heir_->cancel(reason);
}

}  // namespace handoff::io
