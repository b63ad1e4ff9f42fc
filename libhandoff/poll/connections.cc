// How the kit accepts, reads and writes.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "handoff/vault.h"
#include "libhandoff/poll/kit.h"

using handoff::poll::fail_by_errno;
using handoff::poll::Failed;

// The set's events carry the address of a connection, or that of a listener with its lowest bit
// set, or a number of linger_'s, whose lowest two bits are 2.
void handoff_poll::on_events() {
  std::array<epoll_event, 256> events;
  const int n = ::epoll_wait(set_, events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < n; ++i) {
    const std::uint64_t data = events[static_cast<std::size_t>(i)].data.u64;
    const std::uint32_t what = events[static_cast<std::size_t>(i)].events;
    if ((data & 1) != 0) {
      accept_from(*reinterpret_cast<Listener*>(data & ~std::uint64_t{1}));
      continue;
    }
    if ((data & 2) != 0) {
      linger_.on_event(data);
      continue;
    }
    // Alive: connections are destroyed after the batch.
    auto& c = *reinterpret_cast<handoff_conn*>(data);
    if (c.dead) continue;
    if (c.connecting) {
      connected(c);
      continue;
    }
    if ((c.ended || c.closing) && (what & (EPOLLHUP | EPOLLERR)) != 0 && hung_up(c)) continue;
    if ((what & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_from(c);
    if (!c.dead && (what & EPOLLOUT) != 0) enqueue(c);
  }
}

void handoff_poll::set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) != 0) return;
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) fail_by_errno("O_NONBLOCK");
}

void handoff_poll::accept_from(Listener& listener) {
  if (listener.fd < 0 || listener.rests || closing_down_) return;
  // Another process may share the listener, and clear O_NONBLOCK as it closes its own fd.
  set_nonblocking(listener.fd);
  for (int n = 0; n < 64 && !closing_down_; ++n) {
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
    handoff_conn* const c = admit(listener, fd, false);
    if (c == nullptr) {
      ::close(fd);
      if (kept_) handoff_vault_accepting(handle_, nullptr, 1);
      continue;
    }
    begin(*c);
  }
}

std::unique_ptr<handoff_conn> handoff_poll::make(Listener& listener, std::uint64_t id) {
  auto out = std::make_unique<handoff_conn>(this, &listener, id);
  if (!listener.pairs) return out;
  out->second = std::make_unique<handoff_conn>(this, &listener, id);
  out->mate = out->second.get();
  out->second->is_second = true;
  out->second->mate = out.get();
  return out;
}

// Makes a connection of an accepted fd; nullptr, and a line in the log, where that fails.
handoff_conn* handoff_poll::admit(Listener& listener, int fd, bool connecting) {
  std::uint64_t id = 0;
  try {
    handoff_session_options options{};
    options.size = sizeof options;
    options.kind = listener.kind.c_str();
    options.flags = HANDOFF_SESSION_TRACKED | listener.ops.flags;
    const int result = handoff_session_open(handle_, fd, &options, &id);
    if (result < 0) throw Failed{result, handoff_last_error(handle_)};
    auto made = make(listener, id);
    made->fd = fd;
    made->connecting = connecting;
    made->watched = connecting ? EPOLLOUT : EPOLLIN;
    handoff_conn* const c = conns_.emplace(id, std::move(made)).first->second.get();
    add(set_, fd, c->watched, reinterpret_cast<std::uintptr_t>(c));
    return c;
  } catch (const Failed& e) {
    log(HANDOFF_LOG_ERROR, "a new connection was closed: " + e.words);
  } catch (...) {
    log(HANDOFF_LOG_ERROR, "a new connection was closed: no memory");
  }
  conns_.erase(id);
  if (id != 0) handoff_session_closed(handle_, id);
  return nullptr;
}

void handoff_poll::watch_listener(Listener& listener) {
  // One loop is enough for a connection: EPOLLEXCLUSIVE keeps the kernel from waking all of them.
  add(set_, listener.fd, several_lanes_ ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN,
      reinterpret_cast<std::uintptr_t>(&listener) | 1);
}

void handoff_poll::stop_accepting() {
  for (auto& listener : listeners_) {
    end_earlier(*listener);
    ::epoll_ctl(set_, EPOLL_CTL_DEL, listener->fd, nullptr);
    listener->fd = -1;
    listener->rests = false;
  }
}

void handoff_poll::read_from(handoff_conn& c) {
  if (c.closing) {
    // Only errors and hang-ups matter now.
    char byte = 0;
    const ssize_t n = ::recv(c.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) end(c);
    return;
  }
  const char* data = nullptr;
  const ssize_t n = receive(c, &data);
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) end(c);
    return;
  }
  touch(c);
  if (n == 0) {  // the client sends no more, and may still read the answers that are queued
    c.ended = true;
    enqueue(c);
    // Input that a pause has kept comes before the end: consume() tells of it then.
    if (!c.paused || c.input.empty()) tell_end(c);
    return;
  }
  const std::string_view fresh(data, static_cast<std::size_t>(n));
  try {
    if (c.input.empty()) {
      c.seen = 0;
      const int fd = c.fd;
      const std::size_t used = c.paused ? 0 : give(c, fresh);
      c.input_from += used;
      // What an upstream has left that was replaced meanwhile is over.
      if (c.fd == fd && used < fresh.size()) c.input.append(fresh.substr(used));
      c.seen = c.paused ? 0 : c.input.size();
    } else {
      c.input.append(fresh);
      consume(c);
    }
  } catch (const std::bad_alloc&) {
    log(HANDOFF_LOG_ERROR, "session " + std::to_string(c.id) + " ends: no memory for its input");
    end(c);
  }
  if (c.input.size() > options_.max_input) overflow(c);
  if (!c.dead) enqueue(c);  // flush() adjusts the events to watch for
}

// To the layer, or else to the author.
std::size_t handoff_poll::give(handoff_conn& c, std::string_view bytes) {
  const auto layer = c.layer().input;
  if (layer == nullptr) return hand_in(c, bytes);
  return std::min(layer(&c, bytes.data(), bytes.size()), bytes.size());
}

std::size_t handoff_poll::deliver(handoff_conn& c, std::string_view bytes, std::size_t seen) {
  if (c.first().making || c.closing || c.dead || c.paused || c.frozen) return 0;
  const std::size_t of_socket = std::exchange(c.seen, seen);
  const std::size_t used = hand_in(c, bytes);
  c.seen = of_socket;
  return used;
}

// Without input() a pair relays.
std::size_t handoff_poll::hand_in(handoff_conn& c, std::string_view bytes) {
  const auto input = c.ops().input;
  if (input != nullptr) return std::min(input(&c, bytes.data(), bytes.size()), bytes.size());
  (void)c.kit->write(*c.mate, bytes);
  return bytes.size();
}

void handoff_poll::consume(handoff_conn& c) {
  if (c.closing || c.dead || c.paused || c.frozen || over()) return;
  if (!std::exchange(c.looks, false) && c.input.empty()) return;
  const int fd = c.fd;
  const std::size_t used = give(c, c.input);
  if (c.fd != fd) return;  // over, or replaced by another upstream
  c.seen = c.paused ? 0 : c.input.size() - used;
  touch(c);  // input() may have changed the state, whatever it has consumed
  c.input.erase(0, used);
  c.input_from += used;
  if (c.input.empty() && c.input.capacity() > 65536) c.input.shrink_to_fit();
  if (c.ended && !c.paused) tell_end(c);
}

// A client that ends its half before there is an upstream, or anything for one, asks for nothing.
void handoff_poll::tell_end(handoff_conn& c) {
  if (c.closing || std::exchange(c.told_end, true)) return;
  if (c.ops().ended != nullptr) return c.ops().ended(&c);
  if (c.mate == nullptr || !c.mate->end_state().is_named()) return close(c);
  end_output(*c.mate);
}

void handoff_poll::touch(handoff_conn& any) {
  unstored(any);
  touch_sent(any);
}

// The kernel counts what was sent: the vault need not hear of it.
void handoff_poll::touch_sent(handoff_conn& any) {
  handoff_conn& c = any.first();
  if (any.is_second) hold_place(any);
  // The service may still write to a session that a retired donor no longer owns. A stop by itself
  // may come while a handoff is under way.
  if (c.touched || retired_) return;
  c.touched = true;
  handoff_session_touch(handle_, c.id);
}

void handoff_poll::enqueue(handoff_conn& c) {
  if (c.queued || c.dead) return;
  pending_.push_back(c.is_second ? c.id | kSecond : c.id);
  c.queued = true;
  if (!in_turn_) wake();
}

handoff_conn* handoff_poll::by_key(std::uint64_t key) const {
  const auto it = conns_.find(key & ~kSecond);
  if (it == conns_.end()) return nullptr;
  return (key & kSecond) != 0 ? it->second->second.get() : it->second.get();
}

// Sends what is queued, adjusts what is watched, destroys what has ended. Those that end may make
// others write, and these may end.
void handoff_poll::flush() {
  announce_adopted();
  while (!pending_.empty() || !ended_.empty()) {
    if (kept_) {
      bury();
      commit();
    }
    // By index: what is queued meanwhile is at the end, and what fails leaves all in the list.
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      handoff_conn* const queued = by_key(pending_[i]);
      if (queued == nullptr) continue;
      handoff_conn& c = *queued;
      c.queued = false;
      if (c.frozen) continue;  // thaw() queues it again
      if (!c.dead && c.refusal != 0) refuse(c, c.refusal);
      if (!unstored_.empty()) commit_so_far();  // what a refusal made others write, say
      if (c.fd < 0) continue;                   // over, or an upstream that is not connected yet
      send_from(c);
      if (!c.dead && c.end_state().is_complete()) end_complete(c);
      if (!c.dead) rewatch(c);
    }
    pending_.clear();
    bury();
  }
  if (!unstored_.empty() || !doomed_.empty()) commit();
  if (stopping_ && conns_.empty()) {
    stopping_ = false;
    finished_ = true;
    timers_.clear();
    close_set();
  }
}

void handoff_poll::send_from(handoff_conn& c) {
  if (c.connecting) return close_connecting(c);
  const bool was_full = c.output_size() >= options_.high_water;
  while (c.sent < c.output.size()) {
    const ssize_t n = ::send(c.fd, c.output.data() + c.sent, c.output.size() - c.sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) end(c);
      break;
    }
    c.sent += static_cast<std::size_t>(n);
    touch_sent(c);
  }
  trim(c);
  if (c.dead) return;
  // Its source had been waiting.
  if (was_full && c.mate != nullptr && c.output_size() < options_.high_water) enqueue(*c.mate);
  if (!c.output.empty()) return;
  if (std::exchange(c.store_again, false)) unstored(c);
  if (c.closing) return finish(c);
  if (c.shut_wanted && !std::exchange(c.shut, true)) (void)::shutdown(c.fd, SHUT_WR);
}

// Takes what is sent out of the output: at once if it is all, else when it is half, so that a byte
// is moved once at most.
void handoff_poll::trim(handoff_conn& c) {
  if (c.sent == c.output.size()) {
    c.output.clear();
    if (c.output.capacity() > 65536) c.output.shrink_to_fit();
  } else if (c.sent > (std::size_t{1} << 20) && c.sent > c.output.size() / 2) {
    c.output.erase(0, c.sent);
  } else {
    return;
  }
  c.output_from += std::exchange(c.sent, 0);
}

void handoff_poll::rewatch(handoff_conn& c) {
  std::uint32_t wanted = 0;
  if (c.output_size() > 0 || c.connecting) wanted |= EPOLLOUT;
  // What is read from one connection of a pair is written to the other.
  const handoff_conn& sink = c.mate != nullptr ? *c.mate : c;
  if (!c.closing && !c.paused && !c.ended && !c.connecting &&
      sink.output_size() < options_.high_water) {
    wanted |= EPOLLIN;
  }
  if (wanted == c.watched) return;
  epoll_event event{};
  event.events = wanted;
  event.data.ptr = &c;
  if (::epoll_ctl(set_, EPOLL_CTL_MOD, c.fd, &event) == 0) c.watched = wanted;
}

void handoff_poll::overflow(handoff_conn& c) {
  if (c.closing) return;
  if (c.ops().overflow != nullptr) {
    c.ops().overflow(&c);
  } else {
    log(HANDOFF_LOG_WARNING, "session " + std::to_string(c.id) +
                                 " is closed: " + std::to_string(c.input.size()) +
                                 " bytes of input wait to be consumed, more than max_input");
  }
  close(c);
}
