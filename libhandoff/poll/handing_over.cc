// What the kit does in a handoff: the callbacks of its handle.
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <string>
#include <utility>

#include "libhandoff/poll/kit.h"

using handoff::poll::Failed;
using handoff::poll::kNowhere;

namespace {

// Around a callback of the handle: an exception becomes a number.
template <class F>
int on(void* user, F&& f) noexcept {
  try {
    return f(*static_cast<handoff_poll*>(user));
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  } catch (const Failed& e) {
    handoff_reason(static_cast<handoff_poll*>(user)->handle(), e.words.c_str());
    return e.code;
  } catch (...) {
    return HANDOFF_ERR_INTERNAL;
  }
}

}  // namespace

void handoff_poll::set_callbacks() {
  using Kit = handoff_poll;
  handoff_callbacks callbacks{};
  callbacks.size = sizeof callbacks;
  callbacks.save = [](void* user, std::uint64_t id, handoff_saved_t* out) {
    return on(user, [&](Kit& kit) { return kit.save(id, out); });
  };
  callbacks.restore = callbacks.update = [](void* user, const handoff_adopted* session) {
    return on(user, [&](Kit& kit) { return kit.adopt(*session, false); });
  };
  callbacks.extend = [](void* user, const handoff_adopted* session) {
    return on(user, [&](Kit& kit) { return kit.adopt(*session, true); });
  };
  callbacks.drop = [](void* user, std::uint64_t id) {
    on(user, [&](Kit& kit) { return kit.drop(id), 0; });
  };
  callbacks.freeze = [](void* user) {
    const Kit& kit = *static_cast<Kit*>(user);
    const auto& options = kit.options_;
    const int result = options.freeze == nullptr ? 0 : options.freeze(options.user);
    if (result < 0) return result;
    kit.freeze_layers();
    return result;
  };
  callbacks.thaw = [](void* user) {
    const Kit& kit = *static_cast<Kit*>(user);
    kit.thaw_layers();
    if (kit.options_.thaw != nullptr) kit.options_.thaw(kit.options_.user);
  };
  if (options_.linked != nullptr) {
    callbacks.linked = [](void* user) {
      const auto& options = static_cast<Kit*>(user)->options_;
      return options.linked(options.user);
    };
  }
  callbacks.retired = [](void* user, std::uint64_t) {
    on(user, [](Kit& kit) { return kit.retire(), 0; });
  };
  callbacks.stop = [](void* user, int, std::uint64_t deadline_us) {
    on(user, [&](Kit& kit) { return kit.stop_by(deadline_us), 0; });
  };
  callbacks.late = [](void* user, std::uint64_t waiting) {
    on(user, [&](Kit& kit) { return kit.late(waiting), 0; });
  };
  callbacks.moved = [](void* user, std::uint64_t id) {
    on(user, [&](Kit& kit) { return kit.moved(id), 0; });
  };
  callbacks.freeze_session = [](void* user, std::uint64_t id) {
    on(user, [&](Kit& kit) { return kit.freeze(id), 0; });
  };
  callbacks.thaw_session = [](void* user, std::uint64_t id) {
    on(user, [&](Kit& kit) { return kit.thaw(id), 0; });
  };
  const int result = handoff_set_callbacks(handle_, &callbacks, this);
  if (result < 0) throw Failed{result, handoff_last_error(handle_)};
}

// An heir only closes the fd, since the donor has the same socket open. In a donor the session was
// reset, so the connection has ended; if all others have moved, retire() tells it, which follows.
void handoff_poll::drop(std::uint64_t id) {
  const auto it = conns_.find(id);
  if (it == conns_.end()) return;
  handoff_conn& c = *it->second;
  const int state = handoff_state(handle_);
  const bool served = state != HANDOFF_STATE_HEIR && !c.frozen && c.opening == kNowhere;
  let_go_of(c);
  if (served && state == HANDOFF_STATE_DONOR && !late_) return;
  if (served && c.ops().closed != nullptr) c.ops().closed(&c);
  destroy(c);
  conns_.erase(id);
}

void handoff_poll::let_go_of(handoff_conn& c) {
  if (c.opening != kNowhere) opening_[c.opening] = nullptr;
  each_of(c, [this](handoff_conn& one) {
    one.dead = one.closing = true;
    if (one.fd < 0) return;
    ::epoll_ctl(set_, EPOLL_CTL_DEL, one.fd, nullptr);
    ::close(std::exchange(one.fd, -1));
  });
}

void handoff_poll::moved(std::uint64_t id) {
  const auto it = conns_.find(id);
  if (it == conns_.end()) return;
  handoff_conn& c = *it->second;
  const bool known = c.opening == kNowhere;
  bool late_write = false;
  each_of(c, [&late_write](const handoff_conn& one) {
    late_write = late_write || (one.frozen && one.output_size() > one.saved_output);
  });
  if (late_write) {
    log(HANDOFF_LOG_WARNING,
        "what was written to session " + std::to_string(id) + " while it was on its way is lost");
  }
  let_go_of(c);
  if (known && c.ops().moved != nullptr) c.ops().moved(&c);
  destroy(c);
  conns_.erase(id);
}

void handoff_poll::freeze(std::uint64_t id) {
  each_of(*conns_.at(id), [this](handoff_conn& c) {
    c.frozen = true;
    c.saved_output = c.output_size();
    c.watched = 0;
    if (c.fd >= 0) ::epoll_ctl(set_, EPOLL_CTL_DEL, c.fd, nullptr);
  });
}

// The session is this process's again, or from now on; announce_adopted() tells of it.
void handoff_poll::thaw(std::uint64_t id) {
  handoff_conn& first = *conns_.at(id);
  thawed_.push_back(id);
  bool lost = false;
  each_of(first, [&](handoff_conn& c) {
    c.frozen = false;
    c.watched = c.connecting ? EPOLLOUT : EPOLLIN;
    if (c.is_second) hold_place(c);  // for what was written meanwhile
    enqueue(c);
    if (c.fd < 0) return;
    epoll_event event{};
    event.events = c.watched;
    event.data.ptr = &c;
    lost = ::epoll_ctl(set_, EPOLL_CTL_ADD, c.fd, &event) < 0 || lost;
  });
  if (!lost) return;
  log(HANDOFF_LOG_ERROR, "session " + std::to_string(id) + " can't be watched, and ends");
  end(first);
}

// A listener's others, at earlier addresses, have its layer and its context.
void handoff_poll::freeze_layers() const {
  for (const auto& of : listeners_) {
    if (of->layer.freeze != nullptr && !of->earlier) of->layer.freeze(of->layer_context);
  }
}

void handoff_poll::thaw_layers() const {
  for (const auto& of : listeners_) {
    if (of->layer.thaw != nullptr && !of->earlier) of->layer.thaw(of->layer_context);
  }
}

void handoff_poll::late(std::uint64_t waiting) {
  late_ = true;
  stop_accepting();
  thaw_layers();
  if (options_.late != nullptr) options_.late(options_.user, waiting);
}

// The sockets are the heir's. All connections end before the loop goes on: what the service does
// next must not find one whose session is another process's.
void handoff_poll::retire() {
  closing_down_ = retired_ = true;
  for (const auto& listener : listeners_) end_earlier(*listener);
  ::epoll_ctl(loop_, EPOLL_CTL_DEL, set_, nullptr);
  // Nobody waits for this thread any more. The scheduler treats a processor on which only a
  // SCHED_IDLE thread runs as idle, so whatever wakes up gets it, the heir above all: what follows
  // takes it no time, however many sockets are closed. On Linux sched_setscheduler(2) is for one
  // thread, and giving way takes no privilege.
  const sched_param none{};
  (void)::sched_setscheduler(0, SCHED_IDLE, &none);
  timers_.clear();
  if (options_.retired != nullptr) options_.retired(options_.user);
  for (const auto& [id, c] : conns_) {
    each_of(*c, [](handoff_conn& one) { one.closing = true; });
  }
  for (const auto& [id, c] : conns_) {
    if (c->dead) {
      if (!c->refused && c->ops().closed != nullptr) c->ops().closed(c.get());
    } else if (c->opening == kNowhere && c->ops().moved != nullptr) {
      c->ops().moved(c.get());
    }
  }
  // The set is closed first, whole: a registration belongs to the socket, which the heir keeps
  // open, so closing our fd would not end it. One long close(2) of the set is a quarter less work
  // than taking out each socket.
  linger_.leave_set();
  ::close(std::exchange(set_, -1));
  opening_.clear();
  const auto ending = std::exchange(conns_, {});
  for (const auto& [id, c] : ending) {
    each_of(*c, [](handoff_conn& one) {
      if (one.fd >= 0) ::close(std::exchange(one.fd, -1));
    });
    destroy(*c);
  }
  finished_ = true;
}

// After the switch connections may act, and input that came along may hold whole requests. A
// request may concern another connection, so each is told before any input is looked at.
void handoff_poll::announce_adopted() {
  if (handoff_state(handle_) == HANDOFF_STATE_HEIR) return;
  if (adopted_.empty() && thawed_.empty() && opening_.empty()) return;
  for (handoff_conn* c : std::exchange(opening_, {})) {
    if (c == nullptr) continue;
    c->opening = kNowhere;
    if (c->frozen) {
      c->opening = opening_.size();
      opening_.push_back(c);
    } else if (!c->dead) {
      std::exchange(c->fresh, false) ? begin(*c) : c->ops().adopted(c);
    }
  }
  std::vector<std::uint64_t> ready = std::exchange(thawed_, {});
  for (const std::uint64_t id : std::exchange(adopted_, {})) ready.push_back(id);
  for (const std::uint64_t id : ready) {
    handoff_conn* const c = find(id);
    if (c == nullptr || c->frozen) continue;  // thaw() lists it again
    unstored(*c);  // a late one the vault has not, and output waits there until it is sent
    each_of(*c, [this](handoff_conn& one) {
      one.seen = 0;  // a call that has paused may have left whole requests
      consume(one);
      enqueue(one);
    });
  }
}
