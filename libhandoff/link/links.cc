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
  std::vector<Way> ways;
  for (const auto& link : links_) {
    link->turn();
    for (Way& way : link->take_ways()) ways.push_back(std::move(way));
  }
  hand_out(std::move(ways));
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
    if (tell_lanes_) tell_lanes();
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

void Links::hand_out(std::vector<Way> ways) {
  for (Way& way : ways) {
    if (way.lane != 0) {
      lanes_(std::move(way));
    } else {
      links_.push_back(std::make_unique<Link>(registry_, std::move(way)));
      links_.back()->start();
    }
  }
}

void Links::open(Way way) {
  awaits_ways_ = false;
  links_.push_back(std::make_unique<Link>(registry_, std::move(way)));
  links_.back()->start();
  await();
}

void Links::ways_come(bool yes) {
  ways_come_ = yes;
  awaits_ways_ = awaits_ways_ && yes;
  if (late_) turn();
}

// None come without a link, nor from an owner that knows of no ways.
void Links::tell_lanes() {
  const bool come = std::any_of(links_.begin(), links_.end(),
                                [](const auto& link) { return link->brings_ways(); });
  if (std::exchange(ways_come_, come) != come) tell_lanes_(come);
}

bool Links::linked() const {
  return std::any_of(links_.begin(), links_.end(),
                     [](const auto& link) { return !link->is_way(); });
}

Link* Links::way_of(std::uint64_t id) const {
  const auto way = std::find_if(links_.rbegin(), links_.rend(),
                                [id](const auto& link) { return link->has(id); });
  return way == links_.rend() ? nullptr : way->get();
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
    if (links_[i]->over() || links_[i]->peer_fd() < 0 || links_[i]->is_way()) continue;
    out.push_back({std::string(kChannel) + number, links_[i]->channel_end()});
    out.push_back({std::string(kPeer) + number, links_[i]->peer_end()});
  }
  return out;
}

std::vector<int> Links::late_processes() const {
  std::vector<int> out;
  for (const auto& link : links_) {
    if (link->peer_fd() >= 0 && !link->is_way()) out.push_back(link->peer_end());
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

void Links::spread(std::uint32_t permille) {
  spread_ = std::min(permille, core::kAll);
  turn();
}

// The late process keeps a share of the sessions. The listeners are here, so its share of the new
// sessions goes to it from here.
void Links::give_back() {
  if (!spreads() || closing_ || registry_.observer != nullptr) return;
  // A way is one of a process that was late before.
  const auto newest = std::find_if(links_.rbegin(), links_.rend(),
                                   [](const auto& link) { return !link->is_way(); });
  if (newest == links_.rend()) return;
  Link& link = **newest;
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

}  // namespace handoff::io
