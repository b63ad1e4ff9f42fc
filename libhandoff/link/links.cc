#include "libhandoff/link/links.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "libhandoff/sys/process.h"

namespace handoff::io {
namespace {

// "handoff.link.3" is a channel, "handoff.late.3" the pidfd of the process at its other end.
constexpr std::string_view kChannel = "handoff.link.";
constexpr std::string_view kPeer = "handoff.late.";

// When the drain is over, sessions move whether they are held or not. What has not moved 5 s later
// is closed.
constexpr core::Duration kLastMoves = 5'000'000;

// While a freeze waits for groups, so often it looks for answers of restores.
constexpr core::Time kLookMs = 2;

}  // namespace

Result<std::unique_ptr<Links>> Links::make(Registry& registry) {
  std::unique_ptr<Links> out(new Links(registry));
  out->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  out->timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  epoll_event event{};
  event.events = EPOLLIN;
  if (!out->epoll_.valid() || !out->timer_.valid() ||
      ::epoll_ctl(out->epoll_.get(), EPOLL_CTL_ADD, out->timer_.get(), &event) < 0) {
    return fail_errno("opening the epoll set of the links");
  }
  return out;
}

// ---- turning

void Links::turn() {
  if (resting_) return;
  std::uint64_t times = 0;
  [[maybe_unused]] const ssize_t n = ::read(timer_.get(), &times, sizeof times);
  for (const auto& link : links_) link->turn();
  for (const auto& link : links_) {
    if (link->over()) moved_before_ += link->giving().moved();
  }
  // Other processes hold duplicates of these fds, so epoll would know them after we have closed
  // ours: await() takes them out first.
  std::vector<std::unique_ptr<Link>> over;
  std::erase_if(links_, [&](std::unique_ptr<Link>& link) {
    if (!link->over()) return false;
    over.push_back(std::move(link));
    return true;
  });
  next_overdue_ = late_ ? registry_.release_overdue(now_us()) : std::nullopt;
  if (late_) {
    if (drain_ && !over_ && now_us() >= static_cast<core::Time>(drain_->deadline_us)) end_waiting();
    if (over_) end_waiting();
    let_go_on();
    give();
  } else {
    give_back();
  }
  await();
  over.clear();
}

bool Links::take_greeted() {
  bool greeted = false;
  for (const auto& link : links_) greeted = link->take_greeted() || greeted;
  return greeted;
}

void Links::answered(const std::vector<Told::Answer>& answers) {
  for (const Told::Answer& answer : answers) {
    if (registry_.restore_ended(answer)) continue;
    for (const auto& link : links_) link->answered(answer);
  }
  if (!answers.empty()) turn();
}

bool Links::bring(std::uint64_t id) const {
  return std::any_of(links_.begin(), links_.end(),
                     [id](const auto& link) { return link->brings(id); });
}

void Links::await() {
  std::map<int, bool> wanted;
  std::optional<core::Time> deadline;
  const auto consider = [&](std::optional<core::Time> at) {
    if (at && (!deadline || *at < *deadline)) deadline = at;
  };
  if (!resting_) {
    for (const auto& link : links_) {
      watch(link->channel_fd(), link->wants_write(), wanted);
      watch(link->peer_fd(), false, wanted);
      consider(link->deadline());
      consider(link->giving().retry_at());
    }
    consider(next_overdue_);
    if (late_ && drain_ && drain_->policy != protocol::LatePolicy::kKeep &&
        !registry_.sessions.empty()) {
      const auto at = static_cast<core::Time>(drain_->deadline_us);
      consider(over_ ? at + kLastMoves : at);
    }
  }
  for (const auto& [fd, write] : watched_) {
    if (!wanted.contains(fd)) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  }
  for (const auto& [fd, write] : wanted) {
    const auto known = watched_.find(fd);
    if (known != watched_.end() && known->second == write) continue;
    epoll_event event{};
    event.events = EPOLLIN | (write ? EPOLLOUT : 0U);
    const int op = known == watched_.end() ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (::epoll_ctl(epoll_.get(), op, fd, &event) < 0 && errno == EEXIST) {
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
    }
  }
  watched_ = std::move(wanted);
  for (const auto& link : links_) link->close_unwatched();
  itimerspec spec{};
  if (deadline) {
    const core::Time at = std::max<core::Time>(*deadline, 1);
    spec.it_value.tv_sec = static_cast<time_t>(at / 1'000'000);
    spec.it_value.tv_nsec = static_cast<long>(at % 1'000'000 * 1000);
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void Links::watch(int fd, bool write, std::map<int, bool>& wanted) const {
  if (fd >= 0) wanted[fd] = write;
}

// ---- the owner's

void Links::to_late(Channel channel, UniqueFd peer, core::Limits limits) {
  links_.push_back(
      std::make_unique<Link>(registry_, limits, std::move(channel), std::move(peer), true));
  links_.back()->start();
  await();
}

void Links::inherit(std::map<std::string, UniqueFd> ends, core::Limits limits) {
  for (auto& [name, fd] : ends) {
    if (!name.starts_with(kChannel)) continue;
    const auto peer = ends.find(std::string(kPeer) + name.substr(kChannel.size()));
    if (peer == ends.end()) continue;
    to_late(Channel(std::move(fd)), std::move(peer->second), limits);
  }
}

std::vector<LinkEnd> Links::ends() const {
  std::vector<LinkEnd> out;
  for (std::size_t i = 0; i < links_.size(); ++i) {
    // The number says which two belong together, and nothing more.
    const std::string number = std::to_string(i);
    if (links_[i]->over() || links_[i]->peer_fd() < 0) continue;
    out.push_back({std::string(kChannel) + number, links_[i]->channel_end()});
    out.push_back({std::string(kPeer) + number, links_[i]->peer_end()});
  }
  return out;
}

std::vector<int> Links::late_processes() const {
  std::vector<int> out;
  for (const auto& link : links_) {
    if (link->peer_fd() >= 0) out.push_back(link->peer_end());
  }
  return out;
}

Result<void> Links::rest(core::Time until) {
  closing_ = true;
  while (true) {
    answered(registry_.told.take_restored());
    turn();
    if (std::all_of(links_.begin(), links_.end(), [](const auto& link) { return link->idle(); })) {
      resting_ = true;
      await();
      return {};
    }
    const core::Time left = until - now_us();
    if (left <= 0) {
      closing_ = false;
      return fail(-ETIMEDOUT, "a group of late sessions was on its way and did not arrive in time");
    }
    pollfd p{epoll_.get(), POLLIN, 0};
    // What other threads say of restores does not wake this.
    ::poll(&p, 1, static_cast<int>(std::min<core::Time>(left / 1000 + 1, kLookMs)));
  }
}

void Links::wake() {
  resting_ = closing_ = false;
  turn();
}

void Links::pass_on() {
  auto links = std::move(links_);
  links_.clear();
  resting_ = closing_ = false;
  spread_ = core::kAll;
  await();
}

// ---- the late one's

void Links::become_late(std::uint64_t handoff_id, std::optional<Channel> channel, UniqueFd peer,
                        core::Limits limits) {
  late_ = true;
  handoff_id_ = handoff_id;
  if (channel) {
    links_.push_back(
        std::make_unique<Link>(registry_, limits, std::move(*channel), std::move(peer), false));
  }
  turn();
}

void Links::to_owner(Channel channel, UniqueFd peer, core::Limits limits) {
  links_.push_back(
      std::make_unique<Link>(registry_, limits, std::move(channel), std::move(peer), false));
  told_.reset();  // being linked again is news
  turn();
}

void Links::leave(std::vector<std::uint64_t> ids, std::vector<protocol::Unmoved> first,
                  std::uint64_t closed) {
  left_ = std::move(ids);
  first_left_ = std::move(first);
  closed_ += closed;
}

void Links::drain(const protocol::Drain& order) {
  drain_ = order;
  over_ = false;
  if (late_) turn();
}

bool Links::stays_for_good(std::uint64_t id, const SessionEntry& entry) const {
  if (entry.refused || entry.stays || links_.empty()) return true;
  const Link& link = *links_.back();
  return link.knows_the_other() && !link.giving().carries(id, entry);
}

bool Links::moves_all() const { return over_ && drain_->policy == protocol::LatePolicy::kMove; }

// A session that is at rest and will not leave at once is told so: its client waits. One that is
// held has come to rest with all others, in the freeze. A link that has given a group up for time's
// sake pauses.
void Links::let_go_on() {
  if (!registry_.told.used()) return;
  const bool pauses =
      !links_.empty() && links_.back()->giving().idle() && !links_.back()->giving().can_give();
  std::vector<std::uint64_t> on;
  for (const auto& [id, entry] : registry_.sessions) {
    if (entry.away || !registry_.told.rests(id)) continue;
    const bool held = entry.held && !entry.unrested && !moves_all();
    if (held || pauses || stays_for_good(id, entry)) on.push_back(id);
  }
  for (const std::uint64_t id : on) {
    const auto it = registry_.sessions.find(id);
    if (it == registry_.sessions.end()) continue;  // the service has ended it meanwhile
    registry_.goes_on(id, it->second);
    registry_.tell("thaw_session()",
                   [&] { registry_.callbacks.thaw_session(registry_.callbacks_user, id); });
  }
}

void Links::give() {
  if (links_.empty()) return;
  Link& link = *links_.back();
  if (!link.can_give()) return;
  const bool all = moves_all();
  std::vector<std::uint64_t> group;
  for (auto& [id, entry] : registry_.sessions) {
    if (entry.away || entry.refused || entry.stays || (entry.held && !all) ||
        !link.giving().carries(id, entry)) {
      continue;
    }
    if (!core::is_the_newer_ones(id, spread_)) continue;
    if (!registry_.can_leave(id)) {  // at the end of a drain, too: its state may be an old one
      registry_.await_rest(id, entry);
      continue;
    }
    group.push_back(id);
    if (group.size() == link.giving().group_size()) break;
  }
  if (!group.empty()) link.give(std::move(group));
}

void Links::spread(std::uint32_t permille) {
  spread_ = std::min(permille, core::kAll);
  turn();
}

// The late process keeps a share of the sessions. The listeners are here, so its share of the new
// sessions goes to it from here.
void Links::give_back() {
  if (!spreads() || closing_ || links_.empty() || registry_.observer != nullptr) return;
  Link& link = *links_.back();
  if (!link.can_give()) return;
  std::vector<std::uint64_t> group;
  for (const auto& [id, entry] : registry_.sessions) {
    if (core::is_the_newer_ones(id, spread_) || entry.away || entry.refused || entry.held ||
        entry.stays || !link.giving().carries(id, entry) || !registry_.can_leave(id)) {
      continue;
    }
    group.push_back(id);
    if (group.size() == link.giving().group_size()) break;
  }
  if (!group.empty()) link.give(std::move(group));
}

// The drain is over. A session that can't move is closed, and so is one that takes too long; what
// is in a group ends as it would.
void Links::end_waiting() {
  const bool first = !std::exchange(over_, true);
  if (drain_->policy == protocol::LatePolicy::kKeep) return;
  const bool last = drain_->policy == protocol::LatePolicy::kClose ||
                    now_us() >= static_cast<core::Time>(drain_->deadline_us) + kLastMoves;
  if (first) {
    registry_.log(HANDOFF_LOG_WARNING,
                  "the drain is over, " + std::to_string(registry_.sessions.size()) +
                      " sessions are left: they are " + (last ? "closed" : "moved as they are"));
  }
  std::vector<std::uint64_t> closing;
  for (const auto& [id, entry] : registry_.sessions) {
    if (!entry.away && (last || stays_for_good(id, entry))) closing.push_back(id);
  }
  for (const std::uint64_t id : closing) {
    reset_session(registry_.sessions.at(id), registry_.sessions.fds().of(id));
    registry_.remove_session(id);
    ++closed_;
    if (registry_.callbacks.drop == nullptr) continue;
    registry_.tell("drop()", [&] { registry_.callbacks.drop(registry_.callbacks_user, id); });
  }
}

protocol::Late Links::standing() const {
  protocol::Late out{.handoff_id = handoff_id_,
                     .waiting = registry_.sessions.size(),
                     .moved = moved_before_,
                     .at_ns = now_ns(),
                     .linked = !links_.empty(),
                     .closed = closed_,
                     .unmoved = first_left_,
                     .staying = registry_.sessions.staying()};
  out.unmovable = static_cast<std::uint64_t>(
      std::count_if(left_.begin(), left_.end(),
                    [this](std::uint64_t id) { return registry_.sessions.contains(id); }));
  for (const auto& link : links_) out.moved += link->giving().moved();
  return out;
}

std::optional<protocol::Late> Links::news() {
  if (!late_) return std::nullopt;
  // In each turn of the loop, so nothing is made before.
  const News now{registry_.sessions.size(), registry_.sessions.stay_changes(), !links_.empty()};
  if (told_ == now) return std::nullopt;
  told_ = now;
  return standing();
}

bool Links::done() const { return late_ && !spreads() && registry_.sessions.empty(); }

}  // namespace handoff::io
