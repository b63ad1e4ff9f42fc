// Connections that the service opens itself: the kinds that they are of, and how they begin. From
// then on they are like those that were accepted.
#include <poll.h>
#include <sys/socket.h>

#include <string>

#include "libhandoff/poll/kit.h"

using handoff::poll::Failed;

void handoff_poll::declare_outgoing(const handoff_conn_ops& ops, void* context) {
  const std::string kind = ops.kind;
  if (handoff_state(handle_) != HANDOFF_STATE_DECLARING) {
    throw Failed{HANDOFF_ERR_ORDER, "kind '" + kind +
                                        "' is declared too late: handoff_poll_outgoing() comes "
                                        "before the start"};
  }
  if (first_lane_ && handoff_kind_version(handle_, ops.kind) == 0) {
    const int result = handoff_kind(handle_, ops.kind, 1);
    if (result < 0) throw Failed{result, handoff_last_error(handle_)};
  }
  claim_kind("of outgoing connections", kind, false);
  listeners_.push_back(
      std::make_unique<Listener>("of outgoing connections", kind, false, ops, context));
  listeners_.back()->outgoing = true;
}

handoff::poll::Listener& handoff_poll::may_open(const char* kind) {
  Listener* const of = listener_of(kind);
  if (of == nullptr || !of->outgoing) {
    throw Failed{
        HANDOFF_ERR_UNKNOWN,
        std::string("kind '") + kind + "': handoff_poll_outgoing() says what its connections do"};
  }
  if (!started_ || closing_down_ || late_) {
    throw Failed{HANDOFF_ERR_ORDER,
                 "connections are opened after handoff_poll_start(), and not once "
                 "the service stops or an heir has its sessions"};
  }
  return *of;
}

handoff_conn* handoff_poll::open(const char* kind, int fd, void* user, bool connecting) {
  Listener& of = may_open(kind);
  if (!connecting) set_nonblocking(fd);
  handoff_conn* const c = admit(of, fd, connecting);
  if (c == nullptr) throw Failed{HANDOFF_ERR_REJECTED, "the connection is no session, see the log"};
  c->user = user;
  unstored(*c);
  if (c->layer().begin != nullptr) c->layer().begin(c);
  if (!connecting && c->layer().connected != nullptr) c->layer().connected(c);
  return c;
}

// The kernel has an answer to connect(2). An event of the batch at hand may be of the socket that
// this upstream had before.
void handoff_poll::connected(handoff_conn& c) {
  pollfd now{c.fd, POLLOUT, 0};
  if (::poll(&now, 1, 0) < 1) return;
  int error = 0;
  socklen_t size = sizeof error;
  (void)::getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return refuse(c, error);
  c.connecting = false;
  touch(c);
  if (c.layer().connected != nullptr) c.layer().connected(&c);
  if (c.ops().connected != nullptr) c.ops().connected(&c);
  if (!c.dead) enqueue(c);
}

// refused() of an upstream may have begun another one, or closed the session after a last answer to
// the client.
void handoff_poll::refuse(handoff_conn& c, int error) {
  c.connecting = false;
  c.refusal = 0;
  touch(c);
  if (c.is_second) drop_upstream(c);
  if (c.ops().refused != nullptr) c.ops().refused(&c, error);
  if (c.dead || c.connecting) return;
  if (c.is_second && c.fd >= 0) return;
  if (c.is_second && c.closing) return enqueue(*c.mate);
  end(c);
}
