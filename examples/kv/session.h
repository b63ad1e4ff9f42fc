// A connection as the engine sees it: the sink for its replies, and the state that must survive an
// upgrade.
#ifndef HANDOFF_EXAMPLES_KV_SESSION_H
#define HANDOFF_EXAMPLES_KV_SESSION_H

#include <cstdint>
#include <string>

#include "common.h"
#include "reply.h"
#include "session_state.h"

namespace kv {

// The connection's part, implemented by a Stream, or by a test.
class Connection : public Sink {
 public:
  // Sends what is queued, and then ends.
  virtual void hang_up() = 0;
  // Another session's command has changed this session's state.
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
