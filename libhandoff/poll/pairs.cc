// Sessions with two connections. The second one is an fd of the session (handoff_session_fd()), and
// a handoff_conn that belongs to the first. So the two are saved, moved, held and dropped by one
// record, and neither is ever without the other. The record is that of uv_pair.hpp.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "libhandoff/poll/kit.h"

using handoff::poll::Failed;

namespace {

// What stands for a socket that is none yet, see hold_place().
bool is_place(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0;
}

}  // namespace

handoff_conn& handoff_poll::upstream_to_open(handoff_conn& c) {
  handoff_conn& first = c.first();
  if (!first.second) {
    throw Failed{HANDOFF_ERR_UNKNOWN, "sessions of kind '" + first.of->kind +
                                          "' have one connection: ops.upstream says "
                                          "what a second one does"};
  }
  if (first.closing) throw Failed{-EPIPE, "the session is closing"};
  const int state = handoff_state(handle_);
  if (first.making || first.frozen || over() || !started_ || state == HANDOFF_STATE_HEIR) {
    throw Failed{HANDOFF_ERR_ORDER,
                 "an upstream is opened while the session is this process's, and not in save() or "
                 "restore()"};
  }
  return *first.second;
}

void handoff_poll::connect_upstream(handoff_conn& c, const char* address) {
  handoff_conn& second = upstream_to_open(c);
  const int fd = handoff_connect(address);
  if (fd == -EINVAL) throw Failed{fd, std::string(address) + " is no address to connect to"};
  if (fd < 0) return refuse_later(second, -fd);
  try {
    attach(second, fd, true);
  } catch (...) {
    ::close(fd);
    throw;
  }
}

void handoff_poll::adopt_upstream(handoff_conn& c, int fd) {
  handoff_conn& second = upstream_to_open(c);
  set_nonblocking(fd);
  attach(second, fd, false);
}

// Takes fd, in place of the one that the second connection has. Nothing has changed if it throws.
void handoff_poll::attach(handoff_conn& second, int fd, bool connecting) {
  const std::uint32_t watched = connecting ? EPOLLOUT : EPOLLIN;
  if (!second.queued) pending_.reserve(pending_.size() + 1);
  add(set_, fd, watched, reinterpret_cast<std::uintptr_t>(&second));
  const int result = handoff_session_fd(handle_, second.id, Record::kUpstream, fd);
  if (result < 0) {
    ::epoll_ctl(set_, EPOLL_CTL_DEL, fd, nullptr);
    throw Failed{result, std::string("an upstream: ") + handoff_strerror(result)};
  }
  if (second.fd >= 0) {
    ::epoll_ctl(set_, EPOLL_CTL_DEL, second.fd, nullptr);
    ::close(second.fd);
  }
  second.fd = fd;
  second.placed = false;
  // What was read from the one before, and its end, are over. What was written waits for this one.
  second.ended = second.told_end = second.shut = false;
  second.seen = 0;
  second.input.clear();
  second.refusal = 0;
  second.inherited = false;
  second.connecting = connecting;
  second.watched = watched;
  touch(second);
  enqueue(second);
}

// There is no connection to be waited for: refused() comes from the loop all the same.
void handoff_poll::refuse_later(handoff_conn& second, int error) {
  drop_upstream(second);
  second.connecting = true;
  second.refusal = error;
  touch(second);
  enqueue(second);
}

void handoff_poll::drop_upstream(handoff_conn& second) {
  if (second.fd < 0) return;
  (void)handoff_session_fd(handle_, second.id, Record::kUpstream, -1);
  ::epoll_ctl(set_, EPOLL_CTL_DEL, second.fd, nullptr);
  ::close(std::exchange(second.fd, -1));
}

// Bytes may wait for an upstream that has no socket yet. A release whose kit knows no pairs would
// take what save() makes of them for the client's input. The library gives it no session with an fd
// that it does not take, so one stands for the socket: wake_, which no heir keeps. Where that
// fails, the next touch() tries again, and save() refuses.
void handoff_poll::hold_place(handoff_conn& second) {
  if (!second.waits_for_socket() || second.placed) return;
  if (second.frozen || second.closing || closing_down_) return;
  second.placed = handoff_session_fd(handle_, second.id, Record::kUpstream, wake_) == 0;
}

// A first state of the session, or a newer one, begins from here. Its socket and its place go on,
// see take_upstream().
void handoff_poll::forget_upstream(handoff_conn& second) {
  second.input.clear();
  second.output.clear();
  second.sent = second.seen = 0;
  second.refusal = 0;
  second.ended = second.told_end = second.shut = second.paused = false;
  second.inherited = true;
}

// The socket that the second connection has goes on if the donor still names one, and has sent no
// other.
void handoff_poll::take_upstream(const handoff_adopted& a, handoff_conn& first) {
  handoff_conn& second = *first.second;
  int fresh = handoff_take_fd(handle_, a.id, Record::kUpstream);
  const int had = std::exchange(second.fd, -1);
  const bool named = std::any_of(a.fd_names, a.fd_names + a.fd_count, [](const char* name) {
    return std::string_view(name) == Record::kUpstream;
  });
  second.placed = named && fresh < 0 && second.placed;
  if (fresh >= 0 && is_place(fresh)) {
    ::close(std::exchange(fresh, -1));
    // This process's own stands for it now.
    second.placed = handoff_session_fd(handle_, a.id, Record::kUpstream, wake_) == 0;
  }
  const bool goes_on = named && fresh < 0 && !second.placed;
  second.fd = goes_on ? had : fresh;
  if (had >= 0 && !goes_on) {
    ::epoll_ctl(set_, EPOLL_CTL_DEL, had, nullptr);
    ::close(had);
  }
  if (second.connecting && second.fd < 0) second.refusal = ECONNREFUSED;  // not told yet
  second.frozen = first.frozen;
  second.saved_output = second.output_size();
  if (!second.frozen && second.fd >= 0) watch_adopted(second, fresh >= 0);
}
