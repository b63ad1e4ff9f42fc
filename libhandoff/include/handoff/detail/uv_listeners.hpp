// How a Host declares its listeners and accepts from them: the part of uv.hpp that its users need
// not read.
#ifndef HANDOFF_DETAIL_UV_LISTENERS_HPP
#define HANDOFF_DETAIL_UV_LISTENERS_HPP

#include <handoff/detail/offered_lanes.hpp>
#include <handoff/uv.hpp>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <system_error>

namespace handoff::uv {

inline bool Engine::has_listener(const std::string& name) const {
  for (const auto& listener : listeners_) {
    if (listener->name == name) return true;
  }
  return false;
}

// False for one that is not this Host's to serve. Only to declare it tells whether it was declared
// or given back by somebody else.
inline bool Engine::declare_offered(const std::string& name, const std::string& address) {
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
inline void Engine::take_earlier() {
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

inline void Engine::end_earlier(Listener& listener) {
  if (!listener.earlier || listener.fd < 0) return;
  if (epoll_ >= 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener.fd, nullptr);
  ::close(std::exchange(listener.fd, -1));
  listener.rests = false;
}

// An heir restores by kind. If two listeners shared one, it would restore the sessions of one by
// the function of the other.
inline void Engine::claim_kind(const std::string& name, const std::string& kind,
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

inline void Engine::check_kinds() const {
  for (const auto& listener : listeners_) {
    if (service_.kind_version(listener->options.kind) != 0) continue;
    throw Exception(HANDOFF_ERR_UNKNOWN, "listener " + listener->name + ": kind \"" +
                                             listener->options.kind +
                                             "\" was not declared; service.kind() does it");
  }
}

inline std::string Engine::unknown_kind(std::string_view kind) const {
  std::string text = "no listener of this release has sessions of kind '" + std::string(kind) + "'";
  if (kind != "session" || listeners_.size() < 2) return text;
  return text +
         ", and the release before did not say of which listener this one is; .kind = "
         "\"session\" in the ListenOptions of one takes them for its own";
}

inline std::uint32_t Engine::flags_of(const ListenOptions& options) {
  return HANDOFF_SESSION_TRACKED |
         (options.independent ? HANDOFF_SESSION_INDEPENDENT : std::uint32_t{0});
}

inline void Engine::set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) != 0) return;
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
    throw std::system_error(errno, std::generic_category(), "O_NONBLOCK");
  }
}

inline void Engine::accept_from(Listener& listener) {
  if (listener.fd < 0) return;  // ended in this batch of events
  // Another process may share the listener, and clear O_NONBLOCK as it closes its own fd.
  set_nonblocking(listener.fd);
  for (int n = 0; n < 64; ++n) {
    const int fd = accept(listener);
    if (fd < 0) {
      if ((errno == EMFILE || errno == ENFILE) && linger_.end_oldest()) continue;
      // Without a free fd the connection waits in the queue. Level-triggered epoll would spin on
      // it, so the listener is not watched for 100 ms.
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        rest(listener);
      }
      if (errno == EINVAL) end_earlier(listener);  // shutdown(2): nobody is to come any more
      return;
    }
    auto stream = admit(listener, fd);
    if (!stream) {
      ::close(fd);
      if (kept_) handoff_vault_accepting(service_.raw(), nullptr, 1);
      continue;
    }
    Stream& s = *stream;
    streams_[s.id_] = std::move(stream);
    try {
      opened(s);
    } catch (const std::exception& e) {
      detail::complain(std::string("a new connection was closed: on_open() threw: ") + e.what());
      ::close(fd);
    }
  }
}

// Makes a Stream of a new connection; nullptr, and a line on stderr, where that fails.
inline std::unique_ptr<Stream> Engine::admit(Listener& listener, int fd) {
  SessionId id = 0;
  try {
    auto stream = listener.create();
    id = service_.session_open(fd, flags_of(listener.options), listener.options.kind.c_str());
    own(*stream, id);
    stream->fd_ = fd;
    stream->watched_ = EPOLLIN;
    watch(EPOLL_CTL_ADD, fd, EPOLLIN, reinterpret_cast<std::uintptr_t>(stream.get()));
    return stream;
  } catch (const std::exception& e) {
    detail::complain(std::string("a new connection was closed: ") + e.what());
    if (id != 0) service_.session_closed(id);
    return nullptr;
  }
}

inline void Engine::stop_accepting() {
  for (auto& listener : listeners_) {
    end_earlier(*listener);
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener->fd, nullptr);
    listener->fd = -1;
    listener->rests = false;
  }
}

inline void Engine::rest(Listener& listener) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener.fd, nullptr);
  listener.rests = true;
  uv_timer_start(
      &rest_timer_, [](uv_timer_t* t) { static_cast<Engine*>(t->data)->wake_listeners(); }, 100, 0);
}

inline void Engine::wake_listeners() {
  for (auto& listener : listeners_) {
    if (!listener->rests || epoll_ < 0 || finishing_) continue;
    listener->rests = false;
    watch_listener(*listener);
  }
}

// Streams and listeners share the set; the lowest bit of the address tells them apart.
inline void Engine::watch_listener(Listener& listener) {
  // One loop is enough for a connection: EPOLLEXCLUSIVE keeps the kernel from waking all of them.
  const std::uint32_t events = service_.lanes() > 1 ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN;
  watch(EPOLL_CTL_ADD, listener.fd, events, reinterpret_cast<std::uintptr_t>(&listener) | 1);
}

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_LISTENERS_HPP
