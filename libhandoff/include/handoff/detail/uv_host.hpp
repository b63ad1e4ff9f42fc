// How a Host joins its loop, and what it does in a handoff: the part of uv.hpp that its users need
// not read.
#ifndef HANDOFF_DETAIL_UV_HOST_HPP
#define HANDOFF_DETAIL_UV_HOST_HPP

#include <handoff/detail/uv_session.hpp>
#include <handoff/uv.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace handoff::uv {

inline Host::Host(uv_loop_t* loop, Service& service) : loop_(loop), service_(service) {
  if (service.has_on_save()) {
    throw Exception(-EEXIST,
                    "this Service has an on_save() already: it takes one Host, with all of its "
                    "listeners, and one more for each lane (Options::lanes, Service::lane())");
  }
  open_set();
  service_.on_save([this](SessionId id) { return save(id); });
  service_.on_restore([this](Adopted a) { adopt(a); });
  service_.on_update([this](Adopted a) { adopt(a); });
  service_.on_extend([this](Adopted a) { extend(a); });
  service_.on_drop([this](SessionId id) { forget(id); });
  service_.on_retired([this](std::uint64_t) { retire(); });
  service_.on_stop([this](std::uint64_t deadline_us) { stop(deadline_us); });
  service_.on_late([this](std::uint64_t waiting) { late(waiting); });
  service_.on_moved([this](SessionId id) { moved(id); });
  service_.on_freeze_session([this](SessionId id) { freeze(id); });
  service_.on_thaw_session([this](SessionId id) { thaw(id); });
}

inline Host::~Host() {
  detail::OfferedLanes::forget(service_.raw());
  for (auto& listener : listeners_) end_earlier(*listener);
  close_set();
  for (auto& [id, stream] : streams_) {
    each_of(*stream, [](Stream& one) {
      if (one.fd_ >= 0) ::close(one.fd_);
    });
  }
  const bool stopped = cut_off_ms_ != 0;
  linger_.wait(stopped, stopped ? cut_off_ms_ : Linger::clock_ms() + Linger::kLingerMs);
}

inline void Host::start() {
  check_kinds();
  service_.ready();
  for (auto& listener : listeners_) {
    listener->fd = service_.named_fd(listener->name);
    if (listener->fd < 0) {
      throw Exception(listener->fd, "listener " + listener->name + " was not given");
    }
    set_nonblocking(listener->fd);
    watch_listener(*listener);
  }
  take_earlier();
  init_handles();
  poll_start(service_poll_, service_.fd(),
             [](uv_poll_t* p, int, int) { static_cast<Host*>(p->data)->on_service(); });
  poll_start(set_poll_, alias_,
             [](uv_poll_t* p, int, int) { static_cast<Host*>(p->data)->on_events(); });
  time_deadlines();
  flush();
}

inline bool Host::has_listener(const std::string& name) const {
  for (const auto& listener : listeners_) {
    if (listener->name == name) return true;
  }
  return false;
}

// False for one that is not this Host's to serve. Only to declare it tells whether it was declared
// or given back by somebody else.
inline bool Host::declare_offered(const std::string& name, const std::string& address) {
  handoff_t* const lane = service_.raw();
  if (service_.index() != 0) {
    if (!detail::OfferedLanes::known(lane)) {
      throw Exception(HANDOFF_ERR_ORDER,
                      "Host::listen_offered() of lane 0 comes before that of other lanes");
    }
    return detail::OfferedLanes::has(lane, name);
  }
  detail::OfferedLanes::declared(lane, "");
  try {
    service_.listener(name, address);
  } catch (const Exception& e) {
    if (e.code() == HANDOFF_ERR_DUPLICATE) return false;
    throw;
  }
  detail::OfferedLanes::declared(lane, name);
  return true;
}

// Clients come to the other addresses of listeners that move, until the supervisor ends those.
inline void Host::take_earlier() {
  if (service_.index() != 0) return;
  const std::size_t all = listeners_.size();
  for (std::size_t i = 0; i < all; ++i) {
    for (int fd; (fd = service_.take_earlier(listeners_[i]->name)) >= 0;) {
      auto copy = std::make_unique<Listener>(*listeners_[i]);
      copy->fd = fd;
      copy->earlier = true;
      listeners_.push_back(std::move(copy));
      set_nonblocking(fd);
      watch_listener(*listeners_.back());
    }
  }
}

inline void Host::end_earlier(Listener& listener) {
  if (!listener.earlier || listener.fd < 0) return;
  if (epoll_ >= 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener.fd, nullptr);
  ::close(std::exchange(listener.fd, -1));
  listener.rests = false;
}

// An heir restores by kind. If two listeners shared one, it would restore the sessions of one by
// the function of the other.
inline void Host::claim_kind(const std::string& name, const std::string& kind,
                             bool by_itself) const {
  for (const auto& other : listeners_) {
    if (other->options.kind == kind) {
      throw Exception(-EEXIST, "listener " + name + ": sessions of kind \"" + kind +
                                   "\" are those of listener " + other->name +
                                   ", whose function restores them; leave .kind out of its "
                                   "ListenOptions, or name another");
    }
    // To a build that knows no kinds of listeners the sessions of both would be of kind "session".
    if ((kind == "session" && other->by_itself) ||
        (by_itself && other->options.kind == "session")) {
      throw Exception(-EEXIST, "listeners " + other->name + " and " + name +
                                   ": where one says .kind = \"session\", each of the others "
                                   "needs a kind that is declared: service.kind(NAME, VERSION), "
                                   "and .kind = NAME in its ListenOptions");
    }
  }
  if (restores_.contains(kind)) {
    throw Exception(-EEXIST,
                    "kind \"" + kind + "\" " + name + " is restored by another function already");
  }
}

inline void Host::check_kinds() const {
  for (const auto& listener : listeners_) {
    if (service_.kind_version(listener->options.kind) != 0) continue;
    throw Exception(HANDOFF_ERR_UNKNOWN, "listener " + listener->name + ": kind \"" +
                                             listener->options.kind +
                                             "\" was not declared; service.kind() does it");
  }
}

inline std::string Host::unknown_kind(std::string_view kind) const {
  std::string text = "no listener of this release has sessions of kind '" + std::string(kind) + "'";
  if (kind != "session" || listeners_.size() < 2) return text;
  return text +
         ", and the release before did not say of which listener this one is; .kind = "
         "\"session\" in the ListenOptions of one takes them for its own";
}

inline std::uint32_t Host::flags_of(const ListenOptions& options) {
  return HANDOFF_SESSION_TRACKED |
         (options.independent ? HANDOFF_SESSION_INDEPENDENT : std::uint32_t{0});
}

inline void Host::set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) != 0) return;
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
    throw std::system_error(errno, std::generic_category(), "O_NONBLOCK");
  }
}

inline void Host::watch(int op, int fd, std::uint32_t events, std::uint64_t data) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  if (::epoll_ctl(epoll_, op, fd, &event) < 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

// Adding an epoll fd to another costs O(fds in it): 6 ms for 19,000 sockets, and uv_poll_t would
// pay it twice during the switch. So the set is added here, while it is empty. libuv finds the
// watcher of an event by its fd, so the set is added under the number of an eventfd (alias_) that
// nothing writes to and that a uv_poll_t watches.
inline void Host::open_set() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  alias_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = alias_;
  if (epoll_ >= 0 && alias_ >= 0 &&
      ::epoll_ctl(uv_backend_fd(loop_), EPOLL_CTL_ADD, epoll_, &event) == 0) {
    return;
  }
  const int error = errno;
  close_set();
  throw std::system_error(error, std::generic_category(), "an epoll set for the connections");
}

inline void Host::leave_loop() {
  ::epoll_ctl(uv_backend_fd(loop_), EPOLL_CTL_DEL, epoll_, nullptr);
}

// Only once set_poll_ was closed: uv_poll_t watches alias_.
inline void Host::close_set() {
  if (epoll_ >= 0) {
    leave_loop();
    linger_.leave_set();
    ::close(epoll_);
  }
  if (alias_ >= 0) ::close(alias_);
  epoll_ = alias_ = -1;
}

inline void Host::poll_start(uv_poll_t& poll, int fd, uv_poll_cb callback) {
  poll.data = this;
  int result = uv_poll_init(loop_, &poll, fd);
  if (result == 0) result = uv_poll_start(&poll, UV_READABLE, callback);
  if (result < 0) throw Exception(result, std::string("uv_poll: ") + uv_strerror(result));
  ++open_handles_;
}

inline void Host::init_handles() {
  uv_idle_init(loop_, &flusher_);
  uv_timer_init(loop_, &rest_timer_);
  uv_timer_init(loop_, &stop_timer_);
  uv_timer_init(loop_, &linger_timer_);
  uv_timer_init(loop_, &deadline_timer_);
  flusher_.data = rest_timer_.data = stop_timer_.data = linger_timer_.data = this;
  deadline_timer_.data = this;
  for (uv_timer_t* timer : {&rest_timer_, &linger_timer_, &deadline_timer_}) {
    uv_unref(reinterpret_cast<uv_handle_t*>(timer));
  }
  open_handles_ += 5;
}

// Ends the Host's part in the loop; closed() calls on_finished() after the last handle.
inline void Host::close_handles() {
  for (uv_handle_t* handle :
       {reinterpret_cast<uv_handle_t*>(&flusher_), reinterpret_cast<uv_handle_t*>(&rest_timer_),
        reinterpret_cast<uv_handle_t*>(&stop_timer_),
        reinterpret_cast<uv_handle_t*>(&linger_timer_),
        reinterpret_cast<uv_handle_t*>(&deadline_timer_),
        reinterpret_cast<uv_handle_t*>(&set_poll_),
        reinterpret_cast<uv_handle_t*>(&service_poll_)}) {
    if (!uv_is_closing(handle)) uv_close(handle, &Host::closed);
  }
  close_set();
}

inline void Host::stop_accepting() {
  for (auto& listener : listeners_) {
    end_earlier(*listener);
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener->fd, nullptr);
    listener->fd = -1;
    listener->rests = false;
  }
}

// For calls of the service's own code that come where nothing may stop half way.
template <class F>
void Host::tell(const char* whom, F&& f) {
  try {
    f();
  } catch (const std::exception& e) {
    detail::complain(std::string(whom) + " threw: " + e.what());
  }
}

inline void Host::late(std::uint64_t waiting) {
  late_ = true;
  stop_accepting();
  if (late_hook_) tell("on_late()", [&] { late_hook_(waiting); });
}

// The sockets are the heir's. All Streams end before the loop goes on: a timer of the service that
// knows them must not find one whose session is another process's.
inline void Host::retire() {
  finishing_ = retired_ = true;
  leave_loop();
  for (auto& listener : listeners_) end_earlier(*listener);
  // Nobody waits for this thread any more. The scheduler treats a processor on which only a
  // SCHED_IDLE thread runs as idle, so whatever wakes up gets it, the heir above all: what follows
  // takes it no time, however many sockets are closed. On Linux sched_setscheduler(2) is for one
  // thread, and giving way takes no privilege.
  const sched_param none{};
  (void)::sched_setscheduler(0, SCHED_IDLE, &none);
  if (retired_hook_) tell("on_retired()", retired_hook_);
  end_streams();
  close_handles();
}

inline void Host::end_streams() {
  for (auto& [id, stream] : streams_) {
    each_of(*stream, [](Stream& one) { one.closing_ = true; });
  }
  for (auto& [id, stream] : streams_) {
    Stream& s = *stream;
    if (s.dead_) {
      tell("on_closed()", [&] { s.on_closed(); });
    } else if (s.opening_ == kNowhere) {
      tell("on_moved()", [&] { s.on_moved(); });
    }
  }
  // The set is closed first, whole: a registration belongs to the socket, which the heir keeps
  // open, so closing our fd would not end it. One long close(2) of the set is a quarter less work
  // than taking out each socket.
  linger_.leave_set();
  ::close(std::exchange(epoll_, -1));
  opening_.clear();
  const auto ending = std::exchange(streams_, {});
  for (const auto& [id, stream] : ending) {
    each_of(*stream, [](Stream& one) {
      if (one.fd_ >= 0) ::close(std::exchange(one.fd_, -1));
    });
  }
}

inline void Host::stop(std::uint64_t deadline_us) {
  if (finishing_) return;
  finishing_ = true;
  stopping_ = true;
  for (auto& listener : listeners_) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener->fd, nullptr);
  if (stopping_hook_) stopping_hook_();
  for_each([](Stream& s) { s.close(); });
  // Clients that don't read get nine tenths of the time: the rest is for closing before the signal.
  const std::uint64_t now_us = uv_hrtime() / 1000;
  const std::uint64_t left_ms = deadline_us > now_us ? (deadline_us - now_us) / 1000 * 9 / 10 : 0;
  cut_off_ms_ = now_us / 1000 + left_ms;
  uv_timer_start(
      &stop_timer_, [](uv_timer_t* t) { static_cast<Host*>(t->data)->end_all(); }, left_ms, 0);
  flush();
}

inline void Host::end_all() {
  for_each([this](Stream& s) {
    if (!s.frozen_) end(s);
  });
  flush();
}

inline void Host::closed(uv_handle_t* handle) {
  Host& self = *static_cast<Host*>(handle->data);
  if (--self.open_handles_ > 0) return;
  if (self.finished_) {
    self.finished_();
  } else {
    uv_stop(self.loop_);
  }
}

inline void Host::on_service() {
  try {
    service_.dispatch();
  } catch (const std::exception& e) {
    detail::complain(e.what());
  }
  if (!over()) flush();
}

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_HOST_HPP
