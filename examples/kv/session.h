// A connection, as the engine sees it: where replies go, and what must survive an upgrade.
#ifndef HANDOFF_EXAMPLES_KV_SESSION_H
#define HANDOFF_EXAMPLES_KV_SESSION_H

#include <cstdint>
#include <string>

#include "common.h"
#include "reply.h"
#include "session_state.h"

namespace kv {

// Is the connection's, whoever that is: a Stream, or a test.
class Connection : public Sink {
 public:
  // Sends what is queued, and then ends.
  virtual void hang_up() = 0;
  // The session's state was changed by somebody else's command.
  virtual void note_change() = 0;
  virtual bool is_ending() const = 0;
  virtual std::string peer() const = 0;

 protected:
  ~Connection() = default;
};

struct Session {
  explicit Session(Connection& c) : connection(c), reply(c) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Connection& connection;
  Reply reply;
  std::uint64_t id = 0;
  SessionState state;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_SESSION_H
