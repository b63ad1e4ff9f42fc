// The kit's loop: what it is made of, a turn, timers and the author's own fds, and its end.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <set>
#include <utility>

#include "handoff/detail/offered_lanes.hpp"
#include "libhandoff/poll/kit.h"

using handoff::uv::Linger;

namespace handoff::poll {

void fail_by_errno(const std::string& what) {
  const int error = errno;
  throw Failed{-error, what + ": " + std::strerror(error)};
}

namespace {

// What an event of the loop's set is of, in its data; above them, keys of watches.
enum Source : std::uint64_t { kService, kConnections, kTimer, kWake, kFirstWatch };

// The handles that have a kit: a second one would take the callbacks of the first.
std::mutex taken_lock;
std::set<const handoff_t*>& taken() {
  static std::set<const handoff_t*> handles;
  return handles;
}
void take(const handoff_t* handle) {
  const std::lock_guard lock(taken_lock);
  if (taken().insert(handle).second) return;
  throw Failed{HANDOFF_ERR_DUPLICATE,
               "this handle has a kit, which takes all listeners; each lane may have one"};
}
void give_back(const handoff_t* handle) {
  const std::lock_guard lock(taken_lock);
  taken().erase(handle);
}

class Within {
 public:
  Within(bool& one, bool& other) : one_(one), other_(other) { one_ = other_ = true; }
  ~Within() { one_ = other_ = false; }
  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;

 private:
  bool& one_;
  bool& other_;
};

}  // namespace
}  // namespace handoff::poll

using namespace handoff::poll;

handoff_poll::handoff_poll(handoff_t* handle, const handoff_poll_options& options)
    : handle_(handle), options_(options) {
  if (options_.max_input == 0) options_.max_input = std::size_t{16} << 20;
  if (options_.high_water == 0) options_.high_water = std::size_t{1} << 20;
  handoff_t* lane = nullptr;
  first_lane_ = handoff_lane(handle_, 0, &lane) == 0;
  several_lanes_ = !first_lane_ || handoff_lane(handle_, 1, &lane) == 0;
  take(handle_);
  try {
    open_sets();
    set_callbacks();
  } catch (...) {
    for (const int fd : {set_, loop_, timer_, wake_}) {
      if (fd >= 0) ::close(fd);
    }
    give_back(handle_);
    throw;
  }
}

handoff_poll::~handoff_poll() {
  handoff::detail::OfferedLanes::forget(handle_);
  inside_ = closing_down_ = true;  // destroy() may call the kit
  for (const auto& listener : listeners_) end_earlier(*listener);
  close_set();
  for (const auto& [id, c] : conns_) {
    each_of(*c, [](handoff_conn& one) {
      one.dead = one.closing = true;
      if (one.fd >= 0) ::close(std::exchange(one.fd, -1));
    });
  }
  for (const auto& [id, c] : conns_) destroy(*c);
  for (const Doomed& one : doomed_) ::close(one.fd);
  const bool stopped = cut_off_ms_ != 0;
  try {
    linger_.wait(stopped, stopped ? cut_off_ms_ : Linger::clock_ms() + Linger::kLingerMs);
  } catch (...) {  // NOLINT(bugprone-empty-catch): no memory to wait with
  }
  for (const int fd : {loop_, timer_, wake_}) ::close(fd);
  give_back(handle_);
}

void handoff_poll::open_sets() {
  loop_ = ::epoll_create1(EPOLL_CLOEXEC);
  set_ = ::epoll_create1(EPOLL_CLOEXEC);
  timer_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (loop_ < 0 || set_ < 0 || timer_ < 0 || wake_ < 0) fail_by_errno("an epoll loop");
  add(loop_, set_, EPOLLIN, kConnections);
  add(loop_, timer_, EPOLLIN, kTimer);
  add(loop_, wake_, EPOLLIN, kWake);
}

void handoff_poll::close_set() {
  if (set_ < 0) return;
  ::epoll_ctl(loop_, EPOLL_CTL_DEL, set_, nullptr);
  linger_.leave_set();
  ::close(std::exchange(set_, -1));
}

void handoff_poll::add(int to, int fd, std::uint32_t events, std::uint64_t data) const {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  if (::epoll_ctl(to, EPOLL_CTL_ADD, fd, &event) < 0) fail_by_errno("epoll_ctl");
}

void handoff_poll::log(int level, const std::string& message) const {
  if (options_.log != nullptr) return options_.log(options_.user, level, message.c_str());
  std::fprintf(stderr, "handoff: %s\n", message.c_str());
}

// An heir restores by kind. If two listeners shared one, it would restore the sessions of one by
// the function of the other.
void handoff_poll::claim_kind(const std::string& name, const std::string& kind,
                              bool by_itself) const {
  for (const auto& other : listeners_) {
    if (other->kind == kind) {
      throw Failed{
          HANDOFF_ERR_DUPLICATE,
          "listener " + name + ": sessions of kind '" + kind + "' are those of listener " +
              other->name +
              ", whose restore() is called for them; leave ops.kind NULL, or name another"};
    }
    // To a build that knows no kinds of listeners the sessions of both would be of kind "session".
    if ((kind == "session" && other->by_itself) || (by_itself && other->kind == "session")) {
      throw Failed{HANDOFF_ERR_DUPLICATE,
                   "listeners " + other->name + " and " + name +
                       ": where one has ops.kind \"session\", each of the others needs a kind that "
                       "handoff_kind() has declared"};
    }
  }
  if (!by_itself && handoff_kind_version(handle_, kind.c_str()) == 0) {
    throw Failed{HANDOFF_ERR_UNKNOWN, "listener " + name + ": kind '" + kind +
                                          "' was not declared; handoff_kind() does it"};
  }
}

void handoff_poll::listen(const char* name, const char* address, const handoff_conn_ops& ops,
                          void* context) {
  if (handoff_state(handle_) != HANDOFF_STATE_DECLARING) {
    throw Failed{HANDOFF_ERR_ORDER, std::string("listener ") + name +
                                        " is declared too late: handoff_poll_listen() comes before "
                                        "the start"};
  }
  const bool by_itself = ops.kind == nullptr;
  auto listener =
      std::make_unique<Listener>(name, by_itself ? name : ops.kind, by_itself, ops, context);
  const char* const kind = listener->kind.c_str();
  claim_kind(listener->name, listener->kind, by_itself);
  listeners_.reserve(listeners_.size() + 1);  // nothing fails once it is declared
  if (first_lane_) {
    const auto check = [&](int result) {
      if (result < 0) throw Failed{result, handoff_last_error(handle_)};
    };
    check(handoff_listener(handle_, name, address));
    if (by_itself && handoff_kind_version(handle_, kind) == 0) {
      check(handoff_listener_kind(handle_, name));
    }
  }
  listeners_.push_back(std::move(listener));
}

int handoff_poll::start() {
  if (inside_ || started_) {
    throw Failed{HANDOFF_ERR_ORDER, "a kit is started once, and not inside a callback"};
  }
  const Within guard(inside_, in_turn_);
  const auto check = [&](int result) {
    if (result < 0) throw Failed{result, handoff_last_error(handle_)};
  };
  if (first_lane_ && handoff_state(handle_) == HANDOFF_STATE_DECLARING) {
    check(handoff_ready(handle_));
  }
  check(handoff_wait(handle_, -1));
  for (const auto& listener : listeners_) {
    if (listener->outgoing) continue;
    listener->fd = handoff_named_fd(handle_, listener->name.c_str());
    if (listener->fd < 0) {
      throw Failed{listener->fd, "listener " + listener->name + " was not given"};
    }
    if (closing_down_) continue;
    set_nonblocking(listener->fd);
    watch_listener(*listener);
  }
  if (first_lane_ && !closing_down_) take_earlier();
  enter_vault();
  add(loop_, handoff_fd(handle_), EPOLLIN, kService);
  started_ = true;
  flush();
  set_alarm();
  return 0;
}

int handoff_poll::run() {
  if (!started_) start();
  for (;;) {
    const int result = once(-1);
    if (result <= 0) return result;
  }
}

int handoff_poll::once(int timeout_ms) {
  if (inside_ || !started_) {
    throw Failed{HANDOFF_ERR_ORDER,
                 "a turn of the loop comes after handoff_poll_start(), and not inside a callback"};
  }
  if (finished_) return 0;
  std::array<epoll_event, 64> events;
  int n = ::epoll_wait(loop_, events.data(), static_cast<int>(events.size()), timeout_ms);
  if (n < 0 && errno != EINTR) fail_by_errno("epoll_wait");
  n = std::max(n, 0);
  const Within guard(inside_, in_turn_);
  std::array<bool, kFirstWatch> ready{};
  for (int i = 0; i < n; ++i) {
    const std::uint64_t source = events[static_cast<std::size_t>(i)].data.u64;
    if (source < kFirstWatch) ready[source] = true;
  }
  std::uint64_t count = 0;
  if (ready[kWake]) (void)!::read(wake_, &count, sizeof count);
  // The supervisor waits to hear that this loop turns. In the first turn a batch of requests has
  // piled up, so the handle comes before them.
  if (ready[kService] || !std::exchange(turned_, true)) dispatch();
  if (ready[kTimer]) {
    (void)!::read(timer_, &count, sizeof count);
    alarm_ms_ = 0;
    if (!over()) timers_.run(Linger::clock_ms());
  }
  for (int i = 0; i < n && !over(); ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 >= kFirstWatch) on_watch(event.data.u64, event.events);
  }
  if (ready[kConnections] && !over()) on_events();
  if (!over()) flush();
  set_alarm();
  return finished_ ? 0 : 1;
}

void handoff_poll::dispatch() {
  const int result = handoff_dispatch(handle_);
  if (result < 0) log(HANDOFF_LOG_ERROR, handoff_last_error(handle_));
  // Late sessions may have come, and events of their sockets are in this turn, too.
  if (!over()) announce_adopted();
}

// For what is queued outside a turn.
void handoff_poll::wake() const {
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
}

void handoff_poll::set_alarm() {
  const std::uint64_t next =
      finished_ || timers_.empty() ? 0 : std::max<std::uint64_t>(timers_.next(), 1);
  if (next == alarm_ms_) return;
  itimerspec at{};
  at.it_value.tv_sec = static_cast<time_t>(std::min<std::uint64_t>(next / 1000, INT32_MAX));
  at.it_value.tv_nsec = static_cast<long>(next % 1000 * 1'000'000);
  if (::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &at, nullptr) == 0) alarm_ms_ = next;
}

std::uint64_t handoff_poll::add_timer(std::uint64_t ms, bool every, Timers::Function f,
                                      void* user) {
  const std::uint64_t id = timers_.add(Linger::clock_ms(), ms, every, f, user);
  if (!in_turn_) set_alarm();
  return id;
}
bool handoff_poll::cancel_timer(std::uint64_t id) {
  const bool cancelled = timers_.cancel(id);
  if (!in_turn_) set_alarm();
  return cancelled;
}

void handoff_poll::watch_fd(int fd, int events, void (*f)(void*, int, int), void* user) {
  epoll_event event{};
  if ((events & HANDOFF_POLL_READ) != 0) event.events |= EPOLLIN;
  if ((events & HANDOFF_POLL_WRITE) != 0) event.events |= EPOLLOUT;
  const std::uint64_t key = kFirstWatch + next_watch_;
  event.data.u64 = key;
  const auto old = watches_.find(fd);
  const bool known = old != watches_.end();
  if (known) watch_of_.erase(old->second.key);
  watches_[fd] = {.key = key, .f = f, .user = user};
  watch_of_[key] = fd;
  ++next_watch_;
  int result = ::epoll_ctl(loop_, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
  // The fd of the old one may have been closed, and its number be another file's.
  if (result < 0 && known && errno == ENOENT) {
    result = ::epoll_ctl(loop_, EPOLL_CTL_ADD, fd, &event);
  }
  if (result == 0) return;
  const int error = errno;
  watches_.erase(fd);
  watch_of_.erase(key);
  errno = error;
  fail_by_errno("fd " + std::to_string(fd) + " can't be watched");
}

bool handoff_poll::unwatch_fd(int fd) {
  const auto it = watches_.find(fd);
  if (it == watches_.end()) return false;
  watch_of_.erase(it->second.key);
  watches_.erase(it);
  ::epoll_ctl(loop_, EPOLL_CTL_DEL, fd, nullptr);
  return true;
}

// One that was unwatched in this turn has no key any more.
void handoff_poll::on_watch(std::uint64_t key, std::uint32_t events) {
  const auto it = watch_of_.find(key);
  if (it == watch_of_.end()) return;
  const int fd = it->second;
  const Watch watch = watches_.at(fd);
  int what = 0;
  if ((events & EPOLLIN) != 0) what |= HANDOFF_POLL_READ;
  if ((events & EPOLLOUT) != 0) what |= HANDOFF_POLL_WRITE;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) what |= HANDOFF_POLL_ERROR;
  watch.f(watch.user, fd, what);
}

void handoff_poll::stop(std::uint64_t within_ms) {
  if (!started_) throw Failed{HANDOFF_ERR_ORDER, "handoff_poll_start() comes first"};
  const std::uint64_t now_ms = Linger::clock_ms();
  stop_by((now_ms + std::min(within_ms, UINT64_MAX / 1000 - now_ms)) * 1000);
  if (!in_turn_) wake();
}

void handoff_poll::stop_by(std::uint64_t deadline_us) {
  if (closing_down_) return;
  closing_down_ = stopping_ = true;
  for (const auto& listener : listeners_) {
    if (listener->fd >= 0) ::epoll_ctl(set_, EPOLL_CTL_DEL, listener->fd, nullptr);
  }
  if (options_.stopping != nullptr) options_.stopping(options_.user, deadline_us);
  each([this](handoff_conn& c) { close(c); });
  // Clients that don't read get nine tenths of the time: the rest is for closing before the signal.
  const std::uint64_t now_ms = Linger::clock_ms();
  const std::uint64_t deadline_ms = deadline_us / 1000;
  const std::uint64_t left_ms = deadline_ms > now_ms ? (deadline_ms - now_ms) / 10 * 9 : 0;
  cut_off_ms_ = now_ms + left_ms;
  add_timer(
      left_ms, false, [](void* user) { static_cast<handoff_poll*>(user)->cut_off(); }, this);
}

void handoff_poll::cut_off() {
  each([this](handoff_conn& c) {
    if (!c.frozen) end(c);
  });
}
