// How a Host joins its loop, and what it does in a handoff: the part of uv.hpp that its users need
// not read.
#ifndef HANDOFF_DETAIL_UV_HOST_HPP
#define HANDOFF_DETAIL_UV_HOST_HPP

#include <handoff/detail/offered_lanes.hpp>
#include <handoff/detail/uv_session.hpp>
#include <handoff/uv.hpp>

#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace handoff::uv {

inline Engine::Engine(uv_loop_t* loop, Service& service) : loop_(loop), service_(service) {
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

inline Engine::~Engine() {
  detail::OfferedLanes::forget(service_.raw());
  for (auto& listener : listeners_) end_earlier(*listener);
  close_set();
  for (auto& [id, stream] : streams_) {
    each_of(*stream, [](Stream& one) {
      if (one.fd_ >= 0) ::close(one.fd_);
    });
  }
  for (const detail::Doomed& one : doomed_) ::close(one.fd);
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
  kept_ = handoff_vault(service_.raw()) > 0;
  init_handles();
  poll_start(service_poll_, service_.fd(),
             [](uv_poll_t* p, int, int) { static_cast<Engine*>(p->data)->on_service(); });
  poll_start(set_poll_, alias_,
             [](uv_poll_t* p, int, int) { static_cast<Engine*>(p->data)->on_events(); });
  time_deadlines();
  flush();
}

inline void Engine::watch(int op, int fd, std::uint32_t events, std::uint64_t data) {
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
inline void Engine::open_set() {
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

inline void Engine::leave_loop() {
  ::epoll_ctl(uv_backend_fd(loop_), EPOLL_CTL_DEL, epoll_, nullptr);
}

// Only once set_poll_ was closed: uv_poll_t watches alias_.
inline void Engine::close_set() {
  if (epoll_ >= 0) {
    leave_loop();
    linger_.leave_set();
    ::close(epoll_);
  }
  if (alias_ >= 0) ::close(alias_);
  epoll_ = alias_ = -1;
}

inline void Engine::poll_start(uv_poll_t& poll, int fd, uv_poll_cb callback) {
  poll.data = this;
  int result = uv_poll_init(loop_, &poll, fd);
  if (result == 0) result = uv_poll_start(&poll, UV_READABLE, callback);
  if (result < 0) throw Exception(result, std::string("uv_poll: ") + uv_strerror(result));
  ++open_handles_;
}

inline void Engine::init_handles() {
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
inline void Engine::close_handles() {
  for (uv_handle_t* handle :
       {reinterpret_cast<uv_handle_t*>(&flusher_), reinterpret_cast<uv_handle_t*>(&rest_timer_),
        reinterpret_cast<uv_handle_t*>(&stop_timer_),
        reinterpret_cast<uv_handle_t*>(&linger_timer_),
        reinterpret_cast<uv_handle_t*>(&deadline_timer_),
        reinterpret_cast<uv_handle_t*>(&set_poll_),
        reinterpret_cast<uv_handle_t*>(&service_poll_)}) {
    if (!uv_is_closing(handle)) uv_close(handle, &Engine::closed);
  }
  close_set();
}

// For calls of the service's own code that come where nothing may stop half way.
template <class F>
void Engine::tell(const char* whom, F&& f) {
  try {
    f();
  } catch (const std::exception& e) {
    detail::complain(std::string(whom) + " threw: " + e.what());
  }
}

inline void Engine::late(std::uint64_t waiting) {
  late_ = true;
  stop_accepting();
  if (late_hook_) tell("on_late()", [&] { late_hook_(waiting); });
}

// The sockets are the heir's. All Streams end before the loop goes on: a timer of the service that
// knows them must not find one whose session is another process's.
inline void Engine::retire() {
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

inline void Engine::end_streams() {
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

inline void Engine::closed(uv_handle_t* handle) {
  Engine& self = *static_cast<Engine*>(handle->data);
  if (--self.open_handles_ > 0) return;
  if (self.finished_) {
    self.finished_();
  } else {
    uv_stop(self.loop_);
  }
}

inline void Engine::on_service() {
  try {
    service_.dispatch();
  } catch (const std::exception& e) {
    detail::complain(e.what());
  }
  if (!over()) flush();
}

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_HOST_HPP
