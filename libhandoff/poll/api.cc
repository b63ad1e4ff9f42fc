// The C ABI of the kit: handoff/poll.h. No exception leaves these functions.
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>

#include "libhandoff/poll/kit.h"

using handoff::poll::copy_of;
using handoff::poll::Failed;
using handoff::poll::well_formed;

namespace {

// f(kit) returns a number.
template <class F>
int run(handoff_poll_t* p, F&& f) noexcept {
  if (p == nullptr) return -EINVAL;
  try {
    return f(*p);
  } catch (const Failed& e) {
    try {
      p->last_error = e.words;
    } catch (...) {  // NOLINT(bugprone-empty-catch): then without words
    }
    return e.code;
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  } catch (...) {
    return HANDOFF_ERR_INTERNAL;
  }
}

// f(kit, connection)
template <class F>
int run(handoff_conn_t* c, F&& f) noexcept {
  if (c == nullptr) return -EINVAL;
  return run(c->kit, [&](handoff_poll_t& p) { return f(p, *c); });
}

std::uint64_t add_timer(handoff_poll_t* p, std::uint64_t ms, bool every, void (*f)(void*),
                        void* user) noexcept {
  if (p == nullptr || f == nullptr) return 0;
  try {
    return p->add_timer(ms, every, f, user);
  } catch (...) {
    return 0;
  }
}

}  // namespace

extern "C" {

int handoff_poll_open(handoff_poll_t** out, handoff_t* h,
                      const struct handoff_poll_options* options) {
  if (out == nullptr) return -EINVAL;
  *out = nullptr;
  // The size in a program that was built before there was linked().
  constexpr std::size_t kFirstSize = offsetof(handoff_poll_options, linked);
  if (h == nullptr || (options != nullptr && options->size < kFirstSize)) return -EINVAL;
  handoff_poll_options known{};
  if (options != nullptr) std::memcpy(&known, options, std::min(options->size, sizeof known));
  try {
    *out = new handoff_poll(h, known);
    return 0;
  } catch (const Failed& e) {
    if (options != nullptr && options->log != nullptr) {
      options->log(options->user, HANDOFF_LOG_ERROR, e.words.c_str());
    }
    return e.code;
  } catch (...) {
    return -ENOMEM;
  }
}

void handoff_poll_close(handoff_poll_t* p) {
  if (p != nullptr && !p->inside()) delete p;
}

const char* handoff_poll_last_error(const handoff_poll_t* p) {
  return p == nullptr ? "" : p->last_error.c_str();
}

int handoff_poll_start(handoff_poll_t* p) {
  return run(p, [](handoff_poll_t& kit) { return kit.start(); });
}
int handoff_poll_run(handoff_poll_t* p) {
  return run(p, [](handoff_poll_t& kit) { return kit.run(); });
}
int handoff_poll_once(handoff_poll_t* p, int timeout_ms) {
  return run(p, [&](handoff_poll_t& kit) { return kit.once(timeout_ms); });
}
int handoff_poll_fd(const handoff_poll_t* p) { return p == nullptr ? -EINVAL : p->fd(); }
int handoff_poll_stop(handoff_poll_t* p, uint64_t within_ms) {
  return run(p, [&](handoff_poll_t& kit) { return kit.stop(within_ms), 0; });
}

int handoff_poll_listen(handoff_poll_t* p, const char* name, const char* address,
                        const struct handoff_conn_ops* ops, void* context) {
  if (name == nullptr || address == nullptr || !well_formed(ops)) return -EINVAL;
  return run(
      p, [&](handoff_poll_t& kit) { return kit.listen(name, address, copy_of(*ops), context), 0; });
}

int handoff_poll_layer(handoff_poll_t* p, const char* name, const struct handoff_conn_layer* layer,
                       void* context) {
  if (name == nullptr || layer == nullptr || layer->size < sizeof *layer ||
      layer->input == nullptr || layer->write == nullptr) {
    return -EINVAL;
  }
  return run(p, [&](handoff_poll_t& kit) { return kit.put_layer(name, *layer, context), 0; });
}

int handoff_poll_outgoing(handoff_poll_t* p, const struct handoff_conn_ops* ops, void* context) {
  if (!well_formed(ops) || ops->kind == nullptr) return -EINVAL;
  return run(p,
             [&](handoff_poll_t& kit) { return kit.declare_outgoing(copy_of(*ops), context), 0; });
}

int handoff_poll_connect(handoff_poll_t* p, const char* kind, const char* address, void* user,
                         handoff_conn_t** out) {
  if (kind == nullptr || address == nullptr || out == nullptr) return -EINVAL;
  *out = nullptr;
  return run(p, [&](handoff_poll_t& kit) {
    (void)kit.may_open(kind);  // before anybody is connected to
    const int fd = handoff_connect(address);
    if (fd < 0) throw Failed{fd, std::string("connecting to ") + address};
    try {
      *out = kit.open(kind, fd, user, true);
    } catch (...) {
      ::close(fd);
      throw;
    }
    return 0;
  });
}

int handoff_poll_adopt(handoff_poll_t* p, const char* kind, int fd, void* user,
                       handoff_conn_t** out) {
  if (kind == nullptr || out == nullptr) return -EINVAL;
  *out = nullptr;
  if (fd < 0) return -EBADF;
  return run(p, [&](handoff_poll_t& kit) { return *out = kit.open(kind, fd, user, false), 0; });
}

int handoff_poll_listen_offered(handoff_poll_t* p, const struct handoff_conn_ops* ops,
                                void* context) {
  if (!well_formed(ops)) return -EINVAL;
  return run(p, [&](handoff_poll_t& kit) { return kit.listen_offered(copy_of(*ops), context); });
}

handoff_conn_t* handoff_conn_upstream(handoff_conn_t* c) {
  return c == nullptr ? nullptr : c->first().second.get();
}
handoff_conn_t* handoff_conn_client(handoff_conn_t* c) {
  return c == nullptr ? nullptr : &c->first();
}
int handoff_conn_connect_upstream(handoff_conn_t* c, const char* address) {
  if (address == nullptr) return -EINVAL;
  return run(c, [&](handoff_poll_t& kit, handoff_conn_t& conn) {
    return kit.connect_upstream(conn, address), 0;
  });
}
int handoff_conn_adopt_upstream(handoff_conn_t* c, int fd) {
  if (fd < 0) return -EBADF;
  return run(c, [fd](handoff_poll_t& kit, handoff_conn_t& conn) {
    return kit.adopt_upstream(conn, fd), 0;
  });
}

int handoff_conn_write(handoff_conn_t* c, const void* data, size_t length) {
  if (data == nullptr && length > 0) return -EINVAL;
  return run(c, [&](handoff_poll_t& kit, handoff_conn_t& conn) {
    return kit.write(conn, {static_cast<const char*>(data), length});
  });
}

int handoff_conn_send(handoff_conn_t* c, const void* data, size_t length) {
  if (data == nullptr && length > 0) return -EINVAL;
  return run(c, [&](handoff_poll_t& kit, handoff_conn_t& conn) {
    return kit.send(conn, {static_cast<const char*>(data), length});
  });
}

size_t handoff_conn_deliver(handoff_conn_t* c, const char* data, size_t length, size_t seen) {
  if (c == nullptr || (data == nullptr && length > 0)) return 0;
  return handoff_poll::deliver(*c, {data, length}, seen);
}

int handoff_conn_printf(handoff_conn_t* c, const char* format, ...) {
  if (format == nullptr) return -EINVAL;
  std::array<char, 1024> text;
  va_list arguments;
  va_start(arguments, format);
  va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(text.data(), text.size(), format, arguments);
  va_end(arguments);
  const int result = run(c, [&](handoff_poll_t& kit, handoff_conn_t& conn) {
    if (length < 0) return -EINVAL;
    const auto size = static_cast<std::size_t>(length);
    if (size < text.size()) return kit.write(conn, {text.data(), size});
    std::string longer(size, '\0');
    (void)std::vsnprintf(longer.data(), size + 1, format, again);
    return kit.write(conn, longer);
  });
  va_end(again);
  return result;
}

void handoff_conn_close(handoff_conn_t* c) {
  run(c, [](handoff_poll_t& kit, handoff_conn_t& conn) { return kit.close(conn), 0; });
}
void handoff_conn_end_output(handoff_conn_t* c) {
  run(c, [](handoff_poll_t& kit, handoff_conn_t& conn) { return kit.end_output(conn), 0; });
}
void handoff_conn_abort(handoff_conn_t* c) {
  run(c, [](handoff_poll_t& kit, handoff_conn_t& conn) { return kit.abort(conn), 0; });
}
void handoff_conn_touch(handoff_conn_t* c) {
  run(c, [](handoff_poll_t& kit, handoff_conn_t& conn) { return kit.touch(conn), 0; });
}
void handoff_conn_pause(handoff_conn_t* c) {
  run(c, [](handoff_poll_t& kit, handoff_conn_t& conn) { return kit.pause(conn), 0; });
}
void handoff_conn_resume(handoff_conn_t* c) {
  run(c, [](handoff_poll_t& kit, handoff_conn_t& conn) { return kit.resume(conn), 0; });
}
int handoff_conn_stays(handoff_conn_t* c, const char* why) {
  return run(c, [why](handoff_poll_t& kit, handoff_conn_t& conn) { return kit.stays(conn, why); });
}
int handoff_conn_hold(handoff_conn_t* c) {
  return run(c, [](handoff_poll_t& kit, handoff_conn_t& conn) {
    return kit.hold(conn, &handoff_conn::held);
  });
}
int handoff_conn_release(handoff_conn_t* c) {
  return run(c, [](handoff_poll_t& kit, handoff_conn_t& conn) {
    return kit.release(conn, &handoff_conn::held);
  });
}
int handoff_conn_layer_hold(handoff_conn_t* c) {
  return run(c, [](handoff_poll_t& kit, handoff_conn_t& conn) {
    return kit.hold(conn, &handoff_conn::layer_holds);
  });
}
int handoff_conn_layer_release(handoff_conn_t* c) {
  return run(c, [](handoff_poll_t& kit, handoff_conn_t& conn) {
    return kit.release(conn, &handoff_conn::layer_holds);
  });
}
int handoff_conn_leaves(const handoff_conn_t* c) {
  return c != nullptr && c->kit->leaves(*c) ? 1 : 0;
}
void handoff_conn_look(handoff_conn_t* c) {
  if (c != nullptr) c->looks = true;
}

void* handoff_conn_user(const handoff_conn_t* c) {
  return c == nullptr ? nullptr : c->first().user;
}
void handoff_conn_set_user(handoff_conn_t* c, void* user) {
  if (c != nullptr) c->first().user = user;
}
void* handoff_conn_layer_user(const handoff_conn_t* c) {
  return c == nullptr ? nullptr : c->layer_user;
}
void handoff_conn_set_layer_user(handoff_conn_t* c, void* user) {
  if (c != nullptr) c->layer_user = user;
}
void* handoff_conn_layer_context(const handoff_conn_t* c) {
  return c == nullptr ? nullptr : c->of->layer_context;
}
void* handoff_conn_context(const handoff_conn_t* c) {
  return c == nullptr ? nullptr : c->of->context;
}
handoff_poll_t* handoff_conn_poll(const handoff_conn_t* c) {
  return c == nullptr ? nullptr : c->kit;
}
uint64_t handoff_conn_id(const handoff_conn_t* c) { return c == nullptr ? 0 : c->id; }
int handoff_conn_fd(const handoff_conn_t* c) { return c == nullptr ? -1 : c->fd; }
int handoff_conn_connected(const handoff_conn_t* c) {
  return c != nullptr && c->fd >= 0 && !c->connecting ? 1 : 0;
}
int handoff_conn_paused(const handoff_conn_t* c) { return c != nullptr && c->paused ? 1 : 0; }
int handoff_conn_closing(const handoff_conn_t* c) { return c == nullptr || c->closing ? 1 : 0; }
size_t handoff_conn_output_size(const handoff_conn_t* c) {
  return c == nullptr ? 0 : c->output_size();
}
size_t handoff_conn_seen(const handoff_conn_t* c) { return c == nullptr ? 0 : c->seen; }

int handoff_conn_peer(const handoff_conn_t* c, char* host, size_t size, uint16_t* port) {
  if (c == nullptr || host == nullptr || size == 0) return -EINVAL;
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(c->fd, reinterpret_cast<sockaddr*>(&address), &length) < 0) return -errno;
  std::array<char, INET6_ADDRSTRLEN + IF_NAMESIZE> text{"unix"};  // with %, and one NUL for both
  std::uint16_t number = 0;
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &in.sin_addr, text.data(), text.size());
    number = ntohs(in.sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &in.sin6_addr, text.data(), text.size());
    std::array<char, IF_NAMESIZE> interface {};
    if (in.sin6_scope_id != 0 && ::if_indextoname(in.sin6_scope_id, interface.data()) != nullptr) {
      const std::size_t end = std::strlen(text.data());
      std::snprintf(text.data() + end, text.size() - end, "%%%s", interface.data());
    }
    number = ntohs(in.sin6_port);
  }
  const std::size_t needed = std::strlen(text.data()) + 1;
  if (needed > size) return -ENOSPC;
  std::memcpy(host, text.data(), needed);
  if (port != nullptr) *port = number;
  return 0;
}

handoff_t* handoff_poll_service(const handoff_poll_t* p) {
  return p == nullptr ? nullptr : p->handle();
}
size_t handoff_poll_count(const handoff_poll_t* p) { return p == nullptr ? 0 : p->count(); }
handoff_conn_t* handoff_poll_find(const handoff_poll_t* p, uint64_t id) {
  return p == nullptr ? nullptr : p->find(id);
}
void handoff_poll_each(handoff_poll_t* p, void (*f)(void* user, handoff_conn_t* c), void* user) {
  if (f == nullptr) return;
  run(p, [&](handoff_poll_t& kit) {
    return kit.each_now([&](handoff_conn_t& c) { f(user, &c); }), 0;
  });
}

uint64_t handoff_poll_after(handoff_poll_t* p, uint64_t ms, void (*f)(void* user), void* user) {
  return add_timer(p, ms, false, f, user);
}
uint64_t handoff_poll_every(handoff_poll_t* p, uint64_t ms, void (*f)(void* user), void* user) {
  return add_timer(p, ms, true, f, user);
}
int handoff_poll_cancel(handoff_poll_t* p, uint64_t timer) {
  return run(
      p, [&](handoff_poll_t& kit) { return kit.cancel_timer(timer) ? 0 : HANDOFF_ERR_UNKNOWN; });
}

int handoff_poll_watch(handoff_poll_t* p, int fd, int events,
                       void (*f)(void* user, int fd, int events), void* user) {
  constexpr int kAll = HANDOFF_POLL_READ | HANDOFF_POLL_WRITE | HANDOFF_POLL_ERROR;
  if (f == nullptr || (events & ~kAll) != 0) return -EINVAL;
  if (fd < 0) return -EBADF;
  return run(p, [&](handoff_poll_t& kit) { return kit.watch_fd(fd, events, f, user), 0; });
}
int handoff_poll_unwatch(handoff_poll_t* p, int fd) {
  return run(p, [&](handoff_poll_t& kit) { return kit.unwatch_fd(fd) ? 0 : HANDOFF_ERR_UNKNOWN; });
}

}  // extern "C"
