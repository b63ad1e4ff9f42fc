// What an author does with connections: the functions of handoff/poll.h that take one.
#include <unistd.h>

#include <cerrno>
#include <new>
#include <string>
#include <utility>

#include "libhandoff/poll/kit.h"

handoff_conn* handoff_poll::find(std::uint64_t id) const {
  const auto it = conns_.find(id);
  return it != conns_.end() && !it->second->dead ? it->second.get() : nullptr;
}

int handoff_poll::write(handoff_conn& c, std::string_view bytes) {
  const auto through = c.layer().write;
  if (through == nullptr) return send(c, bytes);
  if (c.first().making) return HANDOFF_ERR_ORDER;
  if (c.closing || c.shut_wanted) return -EPIPE;
  return bytes.empty() ? 0 : through(&c, bytes.data(), bytes.size());
}

int handoff_poll::send(handoff_conn& c, std::string_view bytes) {
  if (c.first().making) return HANDOFF_ERR_ORDER;
  if (c.closing || c.shut_wanted) return -EPIPE;
  if (bytes.empty()) return 0;
  try {
    c.output.append(bytes);
    touch(c);
    enqueue(c);
    return 0;
  } catch (const std::bad_alloc&) {
    log(HANDOFF_LOG_ERROR, "session " + std::to_string(c.id) + " ends: no memory for its output");
    each_of(c.first(), [](handoff_conn& one) { one.closing = true; });
    // An heir's socket is the donor's until the switch; there it ends.
    if (!c.frozen && handoff_state(handle_) != HANDOFF_STATE_HEIR) {
      end(c);
    }
    return -ENOMEM;
  }
}

void handoff_poll::close(handoff_conn& c) {
  handoff_conn& first = c.first();
  if (c.closing || first.making) return;
  const bool can_write = !first.frozen && !first.connecting && !over();
  const auto closing = first.ops().closing;
  if (closing != nullptr && can_write && !std::exchange(first.parting, true)) {
    closing(&first);
    if (c.closing) return;  // it has closed or aborted c itself
  }
  if (!part(first) || c.closing) return;
  each_of(first, [](handoff_conn& one) { one.closing = true; });
  touch(c);
  each_of(first, [this](handoff_conn& one) { enqueue(one); });
}

// The last words of c's layer, once. False while it says them: what has called for them then goes
// on, and closes c if the layer has asked for that.
bool handoff_poll::part(handoff_conn& c) {
  if (c.layer().closing == nullptr || c.dead || c.last_words) return true;
  if (std::exchange(c.in_last_words, true)) {
    c.close_asked = true;
    return false;
  }
  c.layer().closing(&c, c.ended ? 1 : 0);
  c.in_last_words = false;
  c.last_words = true;
  return true;
}

void handoff_poll::end_output(handoff_conn& c) {
  if (c.closing || c.shut_wanted || c.in_last_words || c.first().making) return;
  const auto ending = c.layer().ending;
  if (ending != nullptr && ending(&c) != 0) return;
  part(c);
  if (c.closing) return;
  if (c.close_asked) return close(c);
  c.shut_wanted = true;
  touch(c);
  enqueue(c);
}

// An heir of the handoff under way has the sockets open, and a donor may: see reset().
void handoff_poll::abort(handoff_conn& c) {
  handoff_conn& first = c.first();
  if (first.dead || first.making || first.frozen || over()) return;
  if (handoff_state(handle_) == HANDOFF_STATE_HEIR) return;  // in linked(): it is the donor's yet
  const int fds[] = {first.fd, first.second ? first.second->fd : -1};
  for (const int fd : fds) {
    if (fd >= 0) reset(fd);
  }
  leave(first);
  for (const int fd : fds) {
    if (fd >= 0) ::close(fd);
  }
}

void handoff_poll::pause(handoff_conn& c) {
  c.paused = true;
  if (!c.first().making) enqueue(c);  // adopt() looks at one that is being made
}

// Its input is looked at by announce_adopted(): from here input() could be within itself.
void handoff_poll::resume(handoff_conn& c) {
  c.paused = false;
  if (c.first().making || c.dead) return;
  thawed_.push_back(c.id);
  enqueue(c);
  wake();
}

// The author and the layer hold for themselves: a session moves once neither does.
int handoff_poll::hold(handoff_conn& any, bool handoff_conn::*by) {
  handoff_conn& c = any.first();
  if (c.making) return HANDOFF_ERR_ORDER;
  if (c.*by || c.closing || over()) return 0;
  const bool is_held = c.held || c.layer_holds;
  const int result = is_held ? 0 : handoff_session_hold(handle_, c.id);
  c.*by = result == 0;
  return result;
}

int handoff_poll::stays(handoff_conn& c, const char* why) {
  if (c.first().making) return HANDOFF_ERR_ORDER;
  if (c.closing || over()) return 0;
  return handoff_session_stays(handle_, c.id, why);
}

int handoff_poll::release(handoff_conn& any, bool handoff_conn::*by) {
  handoff_conn& c = any.first();
  if (!(c.*by) || c.dead) return 0;
  c.*by = false;
  return c.held || c.layer_holds ? 0 : handoff_session_release(handle_, c.id);
}

bool handoff_poll::leaves(const handoff_conn& any) const {
  const handoff_conn& c = any.first();
  return !c.held && !c.dead && handoff_session_leaves(handle_, c.id) > 0;
}
