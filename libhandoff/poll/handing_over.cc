// What the kit does in a handoff: the callbacks of its handle.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "libhandoff/poll/kit.h"

using handoff::poll::Failed;
using handoff::poll::kNowhere;

namespace {

class Making {
 public:
  explicit Making(handoff_conn& c) : c_(c) { c_.making = true; }
  ~Making() { c_.making = false; }
  Making(const Making&) = delete;
  Making& operator=(const Making&) = delete;

 private:
  handoff_conn& c_;
};

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
    kit.each_layer([](const Listener& of) {
      if (of.layer.freeze != nullptr) of.layer.freeze(of.layer_context);
    });
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

int handoff_poll::save(std::uint64_t id, handoff_saved_t* out) {
  handoff_conn& c = *conns_.at(id);
  if (c.ops().save != nullptr) {
    const Making guard(c);
    const int result = c.ops().save(&c, out);
    if (result < 0) return result;
    // The library says what is wrong. With input saved it would see nothing of it.
    if (handoff_save_given(out) == 0) return 0;
  }
  if (c.layer().save != nullptr) {
    const Making guard(c);
    const int result = c.layer().save(&c, out);
    if (result < 0) return result;
  }
  // Without a save() of its own the state is empty, and is said to be.
  int result = c.ops().save == nullptr ? handoff_save_state(out, "", 0) : 0;
  if (result == 0) {
    result = handoff_save_input_at(out, c.input_from, c.input.data(), c.input.size());
  }
  if (result == 0) {
    result = handoff_save_output_at(out, c.output_from + c.sent, c.output.data() + c.sent,
                                    c.output_size());
  }
  const std::uint32_t flags =
      (c.closing ? kClosing : 0) | (c.connecting ? kConnecting : 0) | (c.shut_wanted ? kShut : 0);
  if (result == 0 && flags != 0) result = handoff_save_flags(out, flags);
  if (result == 0) c.touched = false;
  return result;
}

handoff_poll::Listener* handoff_poll::listener_of(std::string_view kind) const {
  const auto it = std::find_if(listeners_.begin(), listeners_.end(),
                               [&](const auto& listener) { return listener->kind == kind; });
  return it == listeners_.end() ? nullptr : it->get();
}

std::string handoff_poll::unknown_kind(std::string_view kind) const {
  std::string text = "no listener of this release has sessions of kind '" + std::string(kind) + "'";
  if (kind != "session" || listeners_.size() < 2) return text;
  return text +
         ", and the release before did not say of which listener this one is; ops.kind \"session\" "
         "of one takes them for its own";
}

int handoff_poll::restore(handoff_conn& c, const handoff_adopted& a) {
  const Making guard(c);
  const int result = c.ops().restore == nullptr ? 0 : c.ops().restore(&c, a.state, a.state_length);
  if (result < 0 || c.layer().restore == nullptr) return result;
  return c.layer().restore(&c, a.layer, a.layer_length);
}

// Makes the connection from a first state, which comes with the socket, or anew from a newer one.
// extends: its input and output stay as far as they are not over, and what came goes behind them.
int handoff_poll::adopt(const handoff_adopted& a, bool extends) {
  Listener* const listener = listener_of(a.kind);
  if (listener == nullptr) throw Failed{HANDOFF_ERR_REJECTED, unknown_kind(a.kind)};
  if ((a.flags & ~(kClosing | kConnecting | kShut)) != 0) {
    throw Failed{HANDOFF_ERR_REJECTED,
                 (a.flags & kPair) != 0 ? "the session has two connections, as handoff/uv_pair.hpp"
                                          " has them, and handoff/poll.h knows one"
                                        : "the session has what handoff/poll.h does not know"};
  }
  if (a.layer_length > 0 && listener->layer.restore == nullptr) {
    throw Failed{HANDOFF_ERR_REJECTED,
                 "the session has bytes of a layer, the keys of its TLS connection, say, and this "
                 "release has no layer before its listener (handoff_poll_layer())"};
  }
  const bool fresh = !conns_.contains(a.id);
  if (fresh && extends) return HANDOFF_ERR_INTERNAL;
  if (fresh) {
    auto made = std::make_unique<handoff_conn>();
    made->kit = this;
    made->of = listener;
    made->id = a.id;
    made->inherited = true;
    conns_.emplace(a.id, std::move(made));
  }
  handoff_conn& c = *conns_.at(a.id);
  if (!fresh) destroy(c);
  c.user = nullptr;
  c.layer_user = nullptr;
  c.paused = false;
  c.looks = false;
  const int result = restore(c, a);
  if (result < 0) {
    if (fresh) {
      destroy(c);
      conns_.erase(a.id);
    }
    return result;
  }
  if (fresh) c.fd = a.fd;
  c.seen = 0;
  if (extends) {
    // Memory is taken first: nothing may fail once bytes are gone at the front.
    c.input.reserve(c.input.size() + a.input_length);
    c.output.reserve(c.output.size() + a.output_length);
    c.input.erase(0, a.input_dropped);
    c.input.append(static_cast<const char*>(a.input), a.input_length);
    c.sent += a.output_dropped;
    c.output.append(static_cast<const char*>(a.output), a.output_length);
    trim(c);
  } else {
    c.input.assign(static_cast<const char*>(a.input), a.input_length);
    c.output.assign(static_cast<const char*>(a.output), a.output_length);
    c.sent = 0;
  }
  c.closing = (a.flags & kClosing) != 0;
  c.connecting = (a.flags & kConnecting) != 0;
  c.shut_wanted = (a.flags & kShut) != 0;
  c.shut = false;
  // A late session comes to a loop that turns: it may not be touched until thaw().
  c.frozen = handoff_state(handle_) != HANDOFF_STATE_HEIR;
  c.saved_output = c.output_size();
  // These need a look at the first turn: input may hold a whole request, output is to be sent.
  const bool waits = !c.input.empty() || c.output_size() > 0 || c.looks;
  if (waits || c.closing || c.paused || c.shut_wanted) adopted_.push_back(c.id);
  if (fresh) handoff_session_touch(handle_, c.id);  // from now on it says when it changes
  if (fresh && c.ops().adopted != nullptr) {
    opening_.push_back(&c);
    c.opening = opening_.size() - 1;
  }
  if (c.frozen) return 0;
  const std::uint32_t output = c.output_size() == 0 ? 0U : EPOLLOUT;
  const std::uint32_t wanted = c.connecting ? EPOLLOUT : EPOLLIN | output;
  if (!fresh && wanted == c.watched) return 0;
  epoll_event event{};
  event.events = c.watched = wanted;
  event.data.ptr = &c;
  if (::epoll_ctl(set_, fresh ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c.fd, &event) < 0) {
    handoff::poll::fail_by_errno("epoll_ctl");
  }
  return 0;
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
  c.dead = c.closing = true;
  ::epoll_ctl(set_, EPOLL_CTL_DEL, c.fd, nullptr);
  ::close(std::exchange(c.fd, -1));
}

void handoff_poll::moved(std::uint64_t id) {
  const auto it = conns_.find(id);
  if (it == conns_.end()) return;
  handoff_conn& c = *it->second;
  const bool known = c.opening == kNowhere;
  if (c.frozen && c.output_size() > c.saved_output) {
    log(HANDOFF_LOG_WARNING,
        "what was written to session " + std::to_string(id) + " while it was on its way is lost");
  }
  let_go_of(c);
  if (known && c.ops().moved != nullptr) c.ops().moved(&c);
  destroy(c);
  conns_.erase(id);
}

void handoff_poll::freeze(std::uint64_t id) {
  handoff_conn& c = *conns_.at(id);
  c.frozen = true;
  c.saved_output = c.output_size();
  c.watched = 0;
  ::epoll_ctl(set_, EPOLL_CTL_DEL, c.fd, nullptr);
}

// The session is this process's again, or from now on; announce_adopted() tells of it.
void handoff_poll::thaw(std::uint64_t id) {
  handoff_conn& c = *conns_.at(id);
  c.frozen = false;
  c.watched = c.connecting ? EPOLLOUT : EPOLLIN;
  thawed_.push_back(id);
  enqueue(c);
  epoll_event event{};
  event.events = c.watched;
  event.data.ptr = &c;
  if (::epoll_ctl(set_, EPOLL_CTL_ADD, c.fd, &event) < 0) {
    log(HANDOFF_LOG_ERROR, "session " + std::to_string(id) + " can't be watched, and ends");
    end(c);
  }
}

void handoff_poll::thaw_layers() const {
  each_layer([](const Listener& of) {
    if (of.layer.thaw != nullptr) of.layer.thaw(of.layer_context);
  });
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
  for (const auto& [id, c] : conns_) c->closing = true;
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
    if (c->fd >= 0) ::close(std::exchange(c->fd, -1));
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
      c->ops().adopted(c);
    }
  }
  std::vector<std::uint64_t> ready = std::exchange(thawed_, {});
  for (const std::uint64_t id : std::exchange(adopted_, {})) ready.push_back(id);
  for (const std::uint64_t id : ready) {
    handoff_conn* const c = find(id);
    if (c == nullptr || c->frozen) continue;  // thaw() lists it again
    c->seen = 0;                              // a call that has paused may have left whole requests
    consume(*c);
    enqueue(*c);
  }
}
