// How a Host of asio.hpp joins the kit of poll.h to its io_context: the part that its users need
// not read.
#ifndef HANDOFF_DETAIL_ASIO_HOST_HPP
#define HANDOFF_DETAIL_ASIO_HOST_HPP

#include <handoff/asio.hpp>

#include <stdexcept>

namespace handoff::asio {

inline Host::Host(net::io_context& io, Service& service, const Options& options)
    : io_(io), service_(service), watch_(io) {
  handoff_poll_options raw{};
  raw.size = sizeof raw;
  raw.max_input = options.max_input;
  raw.high_water = options.high_water;
  raw.user = this;
  raw.retired = [](void* user) { of(user).tell("on_retired()", of(user).retired_); };
  raw.late = [](void* user, std::uint64_t waiting) {
    of(user).tell("on_late()", of(user).late_, waiting);
  };
  raw.stopping = [](void* user, std::uint64_t) { of(user).tell("on_stop()", of(user).stop_); };
  raw.linked = [](void* user) { return of(user).service_.run_linked(); };
  raw.freeze = [](void* user) { return of(user).service_.run_freeze(); };
  raw.thaw = [](void* user) { of(user).service_.run_thaw(); };
  const int result = handoff_poll_open(&kit_, service.raw(), &raw);
  if (result < 0) throw Exception(result, "handoff_poll_open");
  // While the kit has no sockets yet: later it costs time for each of them.
  try {
    watch_.assign(handoff_poll_fd(kit_));
  } catch (...) {
    handoff_poll_close(kit_);
    throw;
  }
}

inline int Host::take(handoff_conn_t* c, std::unique_ptr<Stream> made) {
  if (!made) throw std::runtime_error("the session's state was refused");
  Stream& s = *made;
  s.host_ = &listener(c).host;
  s.conn_ = c;
  handoff_conn_set_user(c, made.release());
  handoff_conn_t* const upstream = handoff_conn_upstream(c);
  if (s.is_pair_ != (upstream != nullptr)) {
    throw std::runtime_error(
        s.is_pair_ ? "the Stream is a Pair, and restore returns a pointer to another class"
                   : "restore returns a pointer to a Pair, and the Stream is none");
  }
  if (s.paused_) handoff_conn_pause(c);
  if (s.upstream_paused_) handoff_conn_pause(upstream);
  return 0;
}

// A connection of the service's own.
inline Stream& Host::opened(handoff_conn_t* c, std::unique_ptr<Stream> stream) {
  try {
    take(c, std::move(stream));
    Stream& s = Host::stream(c);
    s.on_open(false);
    return s;
  } catch (...) {
    handoff_conn_abort(c);
    throw;
  }
}

inline handoff_conn_ops Host::callbacks() {
  handoff_conn_ops ops{};
  ops.size = sizeof ops;
  ops.opened = [](handoff_conn_t* c) {
    try {
      take(c, listener(c).create());
      stream(c).on_open(false);
      return 0;
    } catch (const std::exception& e) {
      detail::complain(std::string("a new connection was closed: ") + e.what());
    } catch (...) {
      detail::complain("a new connection was closed: what was thrown is no std::exception");
    }
    return -1;
  };
  ops.input = [](handoff_conn_t* c, const char* data, std::size_t length) {
    return hand_in(c, "on_input()", [&] { return stream(c).on_input({data, length}); });
  };
  ops.save = [](handoff_conn_t* c, handoff_saved_t* out) {
    return guard(c, [&] {
      const std::string state = stream(c).save();
      return handoff_save_state(out, state.data(), state.size());
    });
  };
  ops.restore = [](handoff_conn_t* c, const void* state, std::size_t length) {
    return guard(c, [&] {
      return take(c, listener(c).restore({static_cast<const char*>(state), length}));
    });
  };
  ops.adopted = [](handoff_conn_t* c) { tell("on_open()", [c] { stream(c).on_open(true); }); };
  ops.overflow = [](handoff_conn_t* c) { tell("on_overflow()", [c] { stream(c).on_overflow(); }); };
  ops.ended = [](handoff_conn_t* c) { tell("on_end()", [c] { stream(c).on_end(); }); };
  ops.connected = [](handoff_conn_t* c) {
    tell("on_connected()", [c] { stream(c).on_connected(); });
  };
  ops.refused = [](handoff_conn_t* c, int error) {
    tell("on_refused()", [c, error] { stream(c).on_refused(error); });
  };
  ops.closing = [](handoff_conn_t* c) { tell("on_closing()", [&] { stream(c).on_closing(); }); };
  ops.closed = [](handoff_conn_t* c) { tell("on_closed()", [c] { stream(c).on_closed(); }); };
  ops.moved = [](handoff_conn_t* c) { tell("on_moved()", [c] { stream(c).on_moved(); }); };
  ops.destroy = [](handoff_conn_t* c) {
    delete static_cast<Stream*>(handoff_conn_user(c));
    handoff_conn_set_user(c, nullptr);
  };
  return ops;
}

inline void Host::wait() {
  watch_.async_wait(net::posix::stream_descriptor::wait_read, [this](net::ErrorCode error) {
    if (!error) turn();  // else the Host is gone
  });
}
inline void Host::turn() {
  const int result = handoff_poll_once(kit_, 0);
  if (result < 0) detail::complain(handoff_poll_last_error(kit_));
  if (result != 0) return wait();
  if (finished_) {
    finished_();
  } else {
    io_.stop();
  }
}

}  // namespace handoff::asio

#endif  // HANDOFF_DETAIL_ASIO_HOST_HPP
